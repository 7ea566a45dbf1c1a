"""What deserves a look and not the switch: a reviewer would write to the customer first."""
from customers import LIBRARIES, Client
from pace import Flow, even
from places import DAY, HOUR, Crowd, Machines, find
from products import PRODUCTS
from theft import Hand, others, pick


def query_from_hell(c, rng, t):
    """From the analysts' usual place with the usual program: since noon each query takes half a minute, every third ends in 504, several at once; it hurts the platform and is no theft."""
    h, end = Hand(c, rng, c.base.source, copied=1), t + rng.uniform(2, 9) * HOUR
    for _ in range(rng.randint(3, 8)):
        at = t + rng.uniform(0, 600)
        while at < end:
            at += h.call(at, "POST", "/sql", pick(rng, {504: .33}), 60000, rng.uniform(20000, 55000), 1800) + rng.expovariate(1 / 20)
    return h.done("query_from_hell", "flag")


def key_in_front_end(c, rng, t):
    """The customer's developers put the server's key into their web page: from one deploy on browsers at homes of the customer's country call with it, the usual routes at a visitor's pace, more of them every hour."""
    agents = ["Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/13%d.0.0.0 Safari/537.36" % x for x in [("Windows NT 10.0; Win64; x64", 7), ("Macintosh; Intel Mac OS X 10_15_7", 7), ("Linux; Android 10; K", 6), ("X11; CrOS x86_64", 5)]]
    if isinstance(c.base.source, Crowd):
        return False  # an app's key is public, and a web page of the same customer is nothing to ask about
    nets = find("isp", "mobile", country=c.country) or find("isp")
    new = Client(Flow(max(c.per_day, 400) * rng.uniform(.2, .8), c.base.pace.shape, c.offset, 4, 8), c.base.work, Crowd(rng, nets, 3000), agents, t)
    new.cut(t, 1e12, lambda x: min(1.0, .1 + (x - t) / DAY))
    c.clients.append(new)
    c.label("key_in_front_end", "flag", t, c.days * DAY)


def dormant_touch(c, rng, t):
    """A key forgotten for days is tried by somebody, once or thrice within a minute: who am I, what may I; all is answered, nothing is taken yet, and it is out."""
    h = Hand(c, rng, Machines(rng, c.abroad(rng, "cloud", "vps", "isp")), copied=0)
    for m, path in [("GET", "/account"), ("GET", "/account/team"), PRODUCTS[c.product][2][0][:2]][:rng.randint(2, 3)]:
        h.call(t, m, path.replace("{id}", c.things.text(2)).replace("{tenant}", c.base.work.tenants[0]))
        t += rng.uniform(1, 20)
    return h.done("dormant_touch", "flag", t + HOUR)


def context_snowball(c, rng, t):
    """The customer's agent talks to itself from the usual machine: hardly more calls, but every one carries the whole conversation, until each costs a hundred times what it did."""
    end = t + rng.uniform(2, 7) * HOUR
    h, size = Hand(c, rng, c.base.source, copied=1), 1.0
    while t < end:
        t += h.call(t, "POST", "/v1/messages", pick(rng, {400: .01}), 3800, 900, int(5200 * size), size=c.base.work.size * size, dear=c.base.work.dear) + rng.uniform(5, 25)
        size = min(size * 1.02, 150)
    return h.done("context_snowball", "flag")


def tile_hoarding(c, rng, t):
    """From the customer's own machine with its own library: the map of a whole country, tile beside tile, day and night, a hundred times the usual; against the terms, and a matter for a letter."""
    h, end, rate = Hand(c, rng, c.base.source, copied=1), min(t + rng.uniform(.4, 1.5) * DAY, c.days * DAY), max(.15, c.per_day * 20 / DAY)
    x, y = rng.randint(2000, 9000), rng.randint(2000, 9000)
    while t < end and len(h.all) < 40000:
        y += 1
        if y % 400 == 0:
            x += 1
        h.call(t, "GET", "/tiles/14/%d/%d.pbf" % (x, y), pick(rng, {404: .01, 429: .01}), 26000, 11)
        t += rng.expovariate(rate)
    return h.done("tile_hoarding", "flag")


def promo_hunters(c, rng, t):
    """Some hundred telephones of one city try codes of a campaign through the app's key, nineteen in twenty wrong: abuse by users, and the app must go on for all others."""
    net = rng.choice(find("mobile", country=c.country) or find("isp", country=c.country) or find("isp"))
    h, end, rate = Hand(c, rng, Crowd(rng, [net], 300), copied=1), t + rng.uniform(1, 5) * HOUR, max(.3, c.per_day * 3 / DAY)
    while t < end:
        h.session = rng.getrandbits(32)
        h.agent = rng.choice(c.base.agents)
        for _ in range(rng.randint(3, 30)):
            h.call(t, "POST", "/m/promo/redeem", pick(rng, {404: .8, 422: .13}), 400, 30, 120)
            t += rng.expovariate(rate)
    return h.done("promo_hunters", "flag")


def signup_farm(c, rng, t):
    """A data centre full of emulators makes accounts through the app's key, one every few seconds at an even pace and under the app's own name; to be stopped there, not for the app's users."""
    h, end = Hand(c, rng, Machines(rng, c.abroad(rng, "vps"), rng.randint(2, 12)), copied=1), t + rng.uniform(3, 20) * HOUR
    h.agent = rng.choice([a for a in c.base.agents if "Android" in a] or c.base.agents)
    while t < end:
        h.session = rng.getrandbits(32)
        for m, path, out in (("POST", "/m/signup", 1500), ("POST", "/m/login", 1500), ("POST", "/m/promo/redeem", 400)):
            h.call(t, m, path, pick(rng, {422: .06}), out, 150, 400)
            t += rng.uniform(1, 4)
        t += rng.uniform(1, 6)
    return h.done("signup_farm", "flag")


def second_company(c, rng, t):
    """A firm in the same country, in offices and on a program of its own, works with the key at about the owner's pace over other objects: a reseller's favour or a theft, only the owner can say."""
    w = c.base.work.like(rng, things=others(c, rng), tenants=["org%d" % rng.randint(1000, 99999) for _ in c.base.work.tenants])
    c.clients.append(Client(Flow(max(c.per_day * rng.uniform(.5, 1.2), 60), c.base.pace.shape if isinstance(c.base.pace, Flow) else even, c.offset), w, Machines(rng, rng.choice(find("isp", country=c.country, unlike=c.asns()) or find("isp"))), [rng.choice(LIBRARIES)], t))
    c.label("second_company", "flag", t, c.days * DAY)


def campaign(c, rng, t):
    """The customer writes to all of its own customers at ten in the morning: a hundred times the usual rate for an hour, own machines, ordinary price; a spammer on the customer's server would look the same."""
    h, end, rate = Hand(c, rng, c.base.source, copied=1), t + rng.uniform(.4, 2) * HOUR, rng.uniform(.5, 3)
    path, into = ("/2/messages", 380) if c.product == "sms" else ("/v3/send", 22000)
    while t < end:
        h.session = rng.getrandbits(16)
        h.call(t, "POST", path, pick(rng, {400: .02}), 300, 70, into, dear=c.base.work.dear)
        t += rng.expovariate(rate)
    return h.done("campaign", "flag")


def dunning_run(c, rng, t):
    """The first of the month: subscriptions are charged in one run, and half of the cards have expired: 402 after 402, from the usual machine with the usual program; or cards tried at the customer's till."""
    end, rate = t + rng.uniform(.4, 2) * HOUR, rng.uniform(.1, .8)
    h, bad = Hand(c, rng, c.base.source, copied=1), rng.uniform(.3, .6)
    while t < end:
        h.call(t, "POST", "/charges", pick(rng, {402: bad}), 1400, 420, 800)
        t += rng.expovariate(rate)
    return h.done("dunning_run", "flag")


def privacy_cleanup(c, rng, t):
    """The law says delete after three years: thousands of old files, oldest first, by the customer's own program from its own machine; somebody should ask before all is gone."""
    h, end, rate = Hand(c, rng, c.base.source, copied=1), t + rng.uniform(1, 5) * HOUR, rng.uniform(.1, 1)
    while t < end:
        h.call(t, "DELETE", "/files/" + c.things.text(len(h.all) + 30), pick(rng, {404: .05}), 0, 30)
        t += rng.expovariate(rate)
    return h.done("privacy_cleanup", "flag")


def cursor_reset(c, rng, t):
    """The connector lost its cursor and reads everything once more from the first page, from its one machine: a day of pages without pause, slower the deeper; a loop or an insider's copy would look the same."""
    path = next(r[1] for r in c.base.work.routes if r[0] == "GET").replace("{tenant}", "main")
    h, end = Hand(c, rng, c.base.source, copied=1), t + rng.uniform(3, 20) * HOUR
    while t < end:
        n = len(h.all)
        t += h.call(t, "GET", path.replace("{id}", c.things.text(n)), pick(rng, {429: .02, 500: .002}), 90000, 60 + .8 * n) + rng.uniform(.5, 3)
    return h.done("cursor_reset", "flag")
