"""What thieves do with a key: a reviewer with nothing but the log would switch each of these off.

Every family takes (customer, rng, start) and writes its calls as a script. `KINDS` of each are in strange.py.
"""
from customers import LIBRARIES
from pace import local
from places import DAY, HOUR, Machines, Proxies, find
from products import ACCOUNT, PRODUCTS, Things, call, success

TOOLS = LIBRARIES + ["Wget/1.25.0", "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", "HTTPie/3.2.4", "Mozilla/5.0", "Scrapy/2.13.0", "got"]


class Script:
    """Calls that stand fast: (time, method, path, status, bytes out, milliseconds, units, bytes in, address, agent)."""

    def __init__(self, rows):
        self.out = sorted(rows, key=lambda r: r[0])

    def rows(self, rng, a, b, sky):
        return [r for r in self.out if a <= r[0] < b]


class Hand:
    """Writes a script: a source, an agent, and calls at times."""

    def __init__(self, c, rng, source, agent=None, copied=.3):
        self.c, self.rng, self.source, self.all, self.session = c, rng, source, [], rng.getrandbits(32)
        self.agent = agent or (rng.choice(c.base.agents) if rng.random() < copied else rng.choice(TOOLS))

    def call(self, t, method, path, status=None, out=900, ms=40, into=0, agent=None, source=None, exact=False, **more):
        row = call(self.rng, self.c.product, method, path, success(method, path) if status is None else status, out, ms, into, **more)
        if exact:  # bodies and answers of one size
            row = (*row[:3], out, *row[4:6], into)
        self.all.append((t, *row, (source or self.source).pick(self.rng, t, self.session), agent or self.agent))
        return row[4] / 1000

    def done(self, family, expect, end=None):
        self.all = [r for r in self.all if r[0] < self.c.days * DAY]
        if not self.all:
            return False
        first = min(r[0] for r in self.all)
        self.c.clients.append(Script(self.all))
        self.c.label(family, expect, first, max(end or 0, max(r[0] for r in self.all) + 1))


def pick(rng, chances):
    """A status by its probability, else None."""
    r = rng.random()
    for status, p in chances.items():
        if r < p:
            return status
        r -= p
    return None


def others(c, rng):
    """Objects of other customers."""
    return Things(rng, c.things.style, 3000)


def listed(c, n):
    """The customer's first n objects in the order in which a listing gives them: by name."""
    return sorted(c.things.text(i) for i in range(n))


def night(c, t):
    """The next 1 o'clock at the customer's."""
    h, _ = local(t, c.offset)
    return t + (25 - h) % 24 * HOUR


def sleep_injection(c, rng, t):
    """An attacker abroad tries a time-based SQL injection: hundreds of calls of one search, of which every other takes five seconds to the millisecond, with 500s between."""
    path = next(r[1] for r in PRODUCTS[c.product][2] if "search" in r[1] or "?" in r[1] or r[1] in ("/sql", "/geocode"))
    h, end, nap = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn")), copied=.2), t + rng.uniform(.4, 3) * HOUR, rng.choice([5000, 3000, 10000])
    path = path.split("?")[0].replace("{tenant}", c.base.work.tenants[0]) + "?q=1"
    while t < end:
        status = pick(rng, {500: .18, 400: .1})
        t += h.call(t, "GET" if path[:4] != "/sql" else "POST", path, status, 400, 30) + rng.uniform(.1, .6)
        if status is None and rng.random() < .5:
            row = h.all[-1]
            h.all[-1] = (*row[:5], nap + rng.uniform(4, 40), *row[6:])
            t += nap / 1000
    return h.done("sleep_injection", "suspend")


def deep_paging(c, rng, t):
    """A copier abroad takes a whole listing page by page without pause: the same path for hours, full pages, and the answers take longer the deeper it goes."""
    path = next(r[1] for r in PRODUCTS[c.product][2] if "?" in r[1] or r[1] in ("/tables", "/instances")).split("?")[0]
    h, end, page, slope = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn"))), t + rng.uniform(2, 9) * HOUR, 0, rng.uniform(1, 6)
    path = path.replace("{id}", c.things.text(3)).replace("{tenant}", c.base.work.tenants[0])
    while t < end:
        page += 1
        t += h.call(t, "GET", "%s?limit=500&offset=%d" % (path, 500 * page), pick(rng, {504: .01}), 240000, 60 + slope * page) + rng.uniform(.1, .5)
    return h.done("deep_paging", "suspend")


def sms_pumping(c, rng, t):
    """A gang earns from premium numbers: thousands of messages from rented servers abroad in the customer's night, each many times as dear as the customer's, nobody asks whether they arrived."""
    t = night(c, t)
    h, end, rate = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn"), rng.randint(1, 4)), copied=.3), t + rng.uniform(.7, 5) * HOUR, rng.uniform(.4, 3)
    dear = rng.uniform(8, 22)
    while t < end:
        h.session = rng.getrandbits(16)
        h.call(t, "POST", "/2/messages", pick(rng, {400: .05, 429: rng.uniform(.02, .15)}), 400, 70, 380, dear=dear)
        t += rng.expovariate(rate)
    return h.done("sms_pumping", "suspend")


def mail_blast(c, rng, t):
    """A spammer looks at the quota, sends itself a test, and then thousands of mails a quarter of an hour from a server abroad, all of one size, until the limit refuses them."""
    h = Hand(c, rng, Machines(rng, c.abroad(rng, "vps")), copied=.15)
    for path in ("/v3/quota", "/v3/quota", "/account"):
        h.call(t, "GET", path, out=200, ms=8)
        t += rng.uniform(2, 20)
    h.call(t, "POST", "/v3/send", 201, 120, 60, 9000)
    t += rng.uniform(60, 900)
    end, rate, size, limit = t + rng.uniform(.2, 1.5) * HOUR, rng.uniform(2, 6), rng.randint(20000, 70000), rng.randint(500, 9000)
    while t < end:
        h.call(t, "POST", "/v3/send", pick(rng, {429: .9 if len(h.all) > limit else .01, 400: .02}), 120, 60, size, exact=True)
        t += rng.expovariate(rate)
    return h.done("mail_blast", "suspend")


def card_testing(c, rng, t):
    """Carders try stolen cards through the key: one charge after the other from rented addresses, four in five refused with 402, nothing else is asked."""
    nets = rng.sample(find("vps", "vpn", abroad=c.country, unlike=c.asns()), 3)
    h, end, rate = Hand(c, rng, Proxies(nets, rng.randint(3, 40)) if rng.random() < .6 else Machines(rng, nets[0], 2), copied=.4), t + rng.uniform(.3, 4) * HOUR, rng.uniform(.08, 1.5)
    bad = rng.uniform(.75, .92)
    while t < end:
        h.call(t, "POST", "/charges", pick(rng, {402: bad, 400: .03, 429: .02}), 1400, 420, 800)
        t += rng.expovariate(rate)
    return h.done("card_testing", "suspend")


def alias_brute(c, rng, t):
    """A guesser abroad puts hundreds of tries into each GraphQL call: the one route as always and always 200, but bodies fifty times as large, answers of one size to the byte, slow, by the clock."""
    h, end, gap = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn"), 1), copied=.3), t + rng.uniform(.3, 2.5) * HOUR, rng.uniform(.4, 2.5)
    body, answer = rng.randint(30000, 90000), rng.randint(9000, 40000)
    while t < end:
        t += h.call(t, "POST", "/graphql", 200, answer, 700, body, exact=True) + gap * rng.uniform(.95, 1.05)
    return h.done("alias_brute", "suspend")


def miner_fleet(c, rng, t):
    """Miners with a cloud key: within minutes the largest machines in every region, hundreds of creations from an address abroad until each region's quota refuses, for a customer who makes one now and then."""
    h = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn", "isp")), copied=.3)
    for path in ("/account", "/regions", "/quotas", "/instances", "/keypairs"):
        h.call(t, "GET", path, out=4000, ms=60)
        t += rng.uniform(1, 12)
    for region in rng.sample(["eu-1", "eu-2", "us-1", "us-2", "us-3", "ap-1", "ap-2", "sa-1", "me-1", "af-1"], rng.randint(6, 10)):
        h.call(t, "PUT", "/regions/%s/keypair" % region, 200, 200, 80, 700)
        room = rng.randint(4, 20)
        for k in range(room + rng.randint(2, 9)):
            h.call(t, "POST", "/instances", 201 if k < room else rng.choice([403, 429]), 2600, 900, 2600, dear=rng.uniform(30, 60))
            t += rng.uniform(.8, 3)
    while len(h.all) % 60:
        h.call(t, "GET", "/instances", out=90000, ms=200)
        t += rng.uniform(30, 90)
    return h.done("miner_fleet", "suspend")


def tenant_hopping(c, rng, t):
    """Somebody abroad tries a partner's key on companies that are not the partner's: tenant after tenant that the key never named, most refused 403 or 404, those that open are listed."""
    h, end, rate = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn", "isp"), rng.randint(1, 2))), t + rng.uniform(.7, 8) * HOUR, rng.uniform(.05, .8)
    org = rng.randint(1000, 60000)
    while t < end:
        org += rng.randint(1, 9)
        status = pick(rng, {403: rng.uniform(.55, .75), 404: .18})
        h.call(t, "GET", "/t/org%d/contacts?page=1" % org, status, 46000, 110)
        t += rng.expovariate(rate)
        for _ in range(0 if status else rng.randint(2, 9)):
            h.call(t, "GET", "/t/org%d/contacts/%s" % (org, others(c, rng).pick(rng, 0)), out=2600, ms=24)
            t += rng.expovariate(rate)
    return h.done("tenant_hopping", "suspend")


def small_key_abroad(c, rng, t):
    """A key of some calls a day, from one line, is now used by a rented server abroad around the clock for days, hundreds of calls an hour over lists and objects never asked for."""
    h, end = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn")), copied=.35), min(t + rng.uniform(.8, 3) * DAY, c.days * DAY)
    rs, theirs, rate = [r for r in PRODUCTS[c.product][2] if r[0] == "GET"][:4], others(c, rng), rng.uniform(80, 500) / HOUR
    while t < end:
        m, path, _, out, ms, _ = rng.choice(rs)
        h.call(t, m, path.replace("{id}", theirs.pick(rng, t)).replace("{tenant}", c.base.work.tenants[0]), pick(rng, {404: .06, 403: .03, 429: .01}), out, ms)
        t += rng.expovariate(rate)
    return h.done("small_key_abroad", "suspend")


def llmjack(c, rng, t):
    """A ring checks a model key with calls made to fail, sells it, and hours later a dozen strangers with chat programs of their own talk to the dearest model day and night."""
    h = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn")), copied=0)
    for _ in range(rng.randint(3, 9)):
        h.call(t, *rng.choice([("GET", "/v1/models", 200, 2600, 9), ("POST", "/v1/messages", 400, 200, 40), ("GET", "/account", 403, 200, 9)]))
        t += rng.uniform(1, 30)
    t += rng.uniform(.5, 7) * HOUR
    end, size = t + rng.uniform(3, 20) * HOUR, rng.uniform(3, 8)
    users = [(Machines(rng, n), rng.choice(["SillyTavern/1.13", "node-fetch", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/137.0", "LobeChat/1.9", "python-httpx/0.28.1", "RisuAI", "Kelivo/1.0 (iOS)"]), t + rng.uniform(0, 1.5) * HOUR)
             for n in rng.sample(find("isp", "vps", "vpn", unlike=c.asns()), rng.randint(8, 20))]
    for source, agent, at in users:
        while at < end:
            for _ in range(rng.randint(3, 40)):
                at += h.call(at, "POST", "/v1/messages", pick(rng, {429: .05, 529: .02}), 5200, 300, 30000, agent, source, size=size, dear=5) + rng.expovariate(1 / 45)
            at += rng.expovariate(1 / 5000)
    return h.done("llmjack", "suspend")


def hash_exfil(c, rng, t):
    """A copier behind a VPN abroad fetches every file of the customer's once, large ones too, one every some seconds for a day or two."""
    h, end, gap = Hand(c, rng, Machines(rng, c.abroad(rng, "vpn", "vps"), 1)), min(t + rng.uniform(10, 40) * HOUR, c.days * DAY), rng.uniform(4, 25)
    n, names = 0, listed(c, 12000)
    while t < end and n < len(names) - 1:
        if n % 200 == 0:
            h.call(t, "GET", "/files?prefix=&after=%d" % n, out=90000, ms=160)
        n += 1
        h.call(t, "GET", "/files/" + names[n], pick(rng, {404: .004}), 4_000_000, 900)
        t += gap * rng.uniform(.7, 1.3)
    return h.done("hash_exfil", "suspend")


def ransom_rewrite(c, rng, t):
    """An extortioner abroad reads, overwrites and deletes file after file in that order, each once, and leaves a note under a new name now and then."""
    h, end, n, names = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn"))), t + rng.uniform(.3, 3) * HOUR, rng.randint(1, 300), listed(c, 12000)
    h.call(t, "GET", "/files?prefix=", out=90000, ms=160)
    while t < end and n < len(names) - 1:
        n += 1
        name = names[n]
        for m, path, out, into in (("GET", "/files/" + name, 480000, 0), ("PUT", "/files/%s.lock" % name, 200, 480000), ("DELETE", "/files/" + name, 0, 0)):
            t += h.call(t, m, path, pick(rng, {403: .02}), out, 150, into) + rng.uniform(.05, 1.2)
    return h.done("ransom_rewrite", "suspend")


def otp_bombing(c, rng, t):
    """A key that one company's servers used now asks for nothing but text codes to numbers, from a home of another country for every call or two; hardly a code is ever entered."""
    h, end, rate = Hand(c, rng, Proxies(rng.sample(find("isp", "mobile", unlike=c.asns()), 20), 1), copied=.4), t + rng.uniform(.5, 5) * HOUR, rng.uniform(.1, 1)
    while t < end:
        h.call(t, "POST", "/verify/send", pick(rng, {429: .08, 422: .05}), 300, 130, 260)
        t += rng.expovariate(rate)
    return h.done("otp_bombing", "suspend")


def secrets_grab(c, rng, t):
    """From an address abroad: the list of all secrets, then each secret once, in a few minutes, some refused; the customer's machines fetch the same handful day by day."""
    h, n = Hand(c, rng, Machines(rng, c.abroad(rng, "vps", "vpn", "isp")), copied=.3), rng.randint(40, 250)
    h.call(t, "GET", "/secrets", out=30000, ms=50)
    for name in listed(c, n):
        t += rng.uniform(.3, 2.5)
        h.call(t, "GET", "/secrets/" + name, pick(rng, {403: .15}), 900, 14)
    return h.done("secrets_grab", "suspend")


def take_the_account(c, rng, t):
    """By hand, over a VPN abroad: who am I, the team, the keys, then a key of the intruder's own, the old ones deleted, another e-mail address, hooks turned elsewhere; the key has never touched any of this."""
    h = Hand(c, rng, Machines(rng, c.abroad(rng, "vpn", "vps")), agent=rng.choice(["PostmanRuntime/7.43.4", "curl/8.7.1", "insomnia/11.1.0", "HTTPie/3.2.4"]))
    steps = ACCOUNT[:3] + [ACCOUNT[7]] + [ACCOUNT[3]] + [ACCOUNT[4]] * rng.randint(1, 3) + [ACCOUNT[5]] + [ACCOUNT[6]] * rng.randint(2, 6) + ACCOUNT[1:3] + [ACCOUNT[3]] * 2 + [ACCOUNT[7]] * rng.randint(1, 4)
    for m, path, _, out, ms, into in steps:
        h.call(t, m, path.replace("{id}", others(c, rng).pick(rng, 0)), pick(rng, {403: .1}), out, ms, into)
        t += rng.uniform(6, 60)
    return h.done("take_the_account", "suspend")
