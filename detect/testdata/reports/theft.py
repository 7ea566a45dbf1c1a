"""Keys in the wrong hands, after reports of incidents. Each is to be suspended: the calls themselves show it."""
from places import DAY, HOUR, Line, Ring, Runners, find
from services import spell


def between(rng, lo, hi):
    return lo * (hi / lo) ** rng.random()


def uneven(r, mean):
    return mean * r.lognormvariate(-.3, .8)


def odds(r, **p):
    """One of the statuses s404=.3, ... by its probability, else None."""
    x = r.random()
    for code, q in p.items():
        if x < q:
            return int(code[1:])
        x -= q
    return None


def worm_publish(c, rng, t0):
    """A worm in a build step has the key: other victims' build machines check it once, and then put a new version over one of the customer's packages after another, minutes apart."""
    end = t0 + between(rng, .4, 3) * HOUR
    machines = Runners(find("cloud", country="US"))
    agent = ["npm/11.%d.0 node/v24.1.0 linux x64 workspaces/false" % rng.randint(0, 6)]
    for n in range(rng.randint(2, 6)):
        def steps(r, now):
            yield 0, "me", None, None, 1
            while True:
                name = c.things.name(r.randrange(c.things.n))
                yield uneven(r, 20), "item", name, 200, 1
                yield r.uniform(1, 6), "publish", name, odds(r, s403=.12, s409=.1), between(r, 4, 9)
        c.story(rng, machines, agent, steps, t0 if n == 0 else rng.uniform(t0, (t0 + end) / 2), end)
    c.label("worm_publish", "suspend", t0, end)


def vendor_breach(c, rng, t0, where=None, agent=None):
    """A vendor that keeps many customers' keys is broken into: the same two machines count what each customer has, have it put into bulk files, fetch those and remove the jobs."""
    end = t0 + between(rng, .5, 2) * HOUR
    where, agent = where or Line(rng, c.strange(rng), 2), agent or c.tools(rng, 0)

    def steps(r, now):
        for _ in range(r.randint(3, 9)):
            yield uneven(r, 12), "query", None, None, .02
        while True:
            job = "750%x" % r.getrandbits(40)
            yield uneven(r, 30), "job", None, None, 1
            for _ in range(r.randint(2, 12)):
                yield 10, "jobat", job, None, 1
            for _ in range(r.randint(3, 30)):
                yield uneven(r, 4), "rows", job, None, 1
            yield 2, "jobdel", job, None, 1
    c.story(rng, where, agent, steps, t0, end)
    c.label("vendor_breach", "suspend", t0, end)


def contact_sync(c, rng, t0):
    """Who is a member? The app's matching of address books, with its agent, from rented machines: full books of made-up numbers, each as large as a call may be, for hours."""
    end = t0 + between(rng, 1, 5) * HOUR
    pause = between(rng, .6, 5)

    def steps(r, now):
        while True:
            yield uneven(r, pause), "match", None, odds(r, s429=.04), r.uniform(20, 28)
    c.story(rng, Line(rng, c.strange(rng, "vps", "cloud"), rng.randint(1, 4)), [rng.choice(c.main.agents)], steps, t0, end)
    c.label("contact_sync", "suspend", t0, end)


def gpu_squat(c, rng, t0):
    """Somebody else's computing on the customer's bill: few jobs, each as long as a job may last, several at a time, asked after like anybody's and seldom fetched."""
    end = t0 + between(rng, 4, 20) * HOUR
    where, agent, every = Line(rng, c.strange(rng), rng.randint(1, 2)), c.tools(rng), rng.uniform(12, 60)
    for lane in range(rng.randint(2, 5)):
        def steps(r, now):
            while True:
                job = "%x" % r.getrandbits(80)
                yield uneven(r, 20), "make", None, None, between(r, 30, 120)
                for _ in range(r.randint(15, 60)):
                    yield every, "item", job, None, 1
        c.story(rng, where, agent, steps, t0 + lane * rng.uniform(0, 200), end)
    c.label("gpu_squat", "suspend", t0, end)


def split_ring(c, rng, t0):
    """A ring of copiers on rented lines in homes: every file in a dozen parts, each part by another line, files that nobody asked for in months."""
    end = t0 + between(rng, 1, 7) * HOUR
    pause = 1 / between(rng, .2, 2)

    def steps(r, now):
        while True:
            thing = c.things.seldom(r) if r.random() < .6 else c.others(r)
            if r.random() < .12:
                yield uneven(r, pause), "file", thing, 404, 1
                continue
            for _ in range(r.randint(3, 12)):
                yield uneven(r, pause), "file", thing, 206, .1
    c.story(rng, Ring(rng.sample(find("isp", "mobile"), rng.randint(6, 25)), 1), c.tools(rng), steps, t0, end)
    c.label("split_ring", "suspend", t0, end)


def server_forged(c, rng, t0):
    """Through a hole in its own web page the customer's server is made to call for a stranger: same address, same program, reading only. Paths that climb and odd settings first, most refused;
    then what answered, page after page."""
    end = t0 + between(rng, .7, 3) * HOUR
    words = ["%2e%2e/internal", "..%2ftokens", "internal/health", "metadata", "debug/vars", "v1/../admin", "actuator/env", "swagger.json", "graphql", "config", "%2e%2e/%2e%2e/settings", "users", "backup"]

    def steps(r, now):
        for _ in range(r.randint(20, 70)):
            if r.random() < .25:
                yield uneven(r, 9), r.choice(["keys", "secrets", "members", "audit", "me", "hooks"]), None, odds(r, s403=.7), 1
            else:
                yield uneven(r, 9), "odd", r.choice(words) + r.choice(["", "?x=1", "/.", "%00"]), r.choice([400, 404, 404, 404, 403, 405]), 1
        while True:
            yield uneven(r, 2.5), r.choice(["list", "members"]), None, odds(r, s403=.05), 3
    c.story(rng, Line(rng, c.cloud, ips=[c.main.where.pick(rng, t0, 1)]), [c.tool], steps, t0, end)
    c.label("server_forged", "suspend", t0, end)


def gift_cards(c, rng, t0):
    """Numbers of gift cards are tried with their check digit until one has money on it, which is turned into a voucher at once."""
    end = t0 + between(rng, .8, 5) * HOUR
    pause = 1 / between(rng, .08, 1.2)

    def steps(r, now):
        n, salt = r.randrange(400000), r.getrandbits(44)
        while True:
            n += r.randint(1, 3)
            card = spell("luhn", salt, n)
            found = r.random() < .22
            yield uneven(r, pause), "item", card, None if found else 404, 1
            if found and r.random() < .5:
                yield r.uniform(1, 4), "burn", card, odds(r, s402=.3), 1
    where = Line(rng, c.strange(rng), 2) if rng.random() < .5 else Ring(rng.sample(find("isp"), 9), 6)
    c.story(rng, where, c.tools(rng), steps, t0, end)
    c.label("gift_cards", "suspend", t0, end)


def retired_key(c, rng, t0, heir=None):
    """The customer changed to a new key some days ago and forgot to end the old one. It lay in a build's log; who found it takes the lists and what they name."""
    moved, end = t0 - between(rng, .8, 2.5) * DAY, t0 + between(rng, 1, 6) * HOUR
    for b in c.base:
        b.off = moved
    pause = 1 / between(rng, .03, .5)

    def steps(r, now):
        while True:
            name = r.choice(c.usual())
            yield uneven(r, pause), name, c.things.seldom(r) if r.random() < .7 else None, odds(r, s404=.04, s403=.06), 1
    c.story(rng, Line(rng, c.strange(rng)), c.tools(rng), steps, t0, end)
    c.label("retired_key", "suspend", t0, end)


def record_hijack(c, rng, t0):
    """By hand over a VPN or a line abroad, and every call goes well: all zones are listed and read, names turned elsewhere, proofs for certificates put in. Two dozen calls, and the mail is somebody else's."""
    end = t0 + between(rng, .3, 1.5) * HOUR
    net = c.strange(rng, "vpn") if rng.random() < .6 else rng.choice(find("isp", abroad=c.country, unlike=c.asns()))

    def steps(r, now):
        for n in range(r.randint(1, 3)):
            yield uneven(r, 8), "list", None, None, 1
        for _ in range(r.randint(4, 14)):
            zone = c.things.name(r.randrange(c.things.n))
            yield uneven(r, 20), "records", zone, None, 1
            for _ in range(r.randint(0, 3)):
                yield uneven(r, 25), r.choice(["edit", "make", "make"]), zone, None, 1
            yield uneven(r, 20), "check", zone, 200, 1
    c.story(rng, Line(rng, net), c.tools(rng, .1), steps, t0, end)
    c.label("record_hijack", "suspend", t0, end)


def seat_holder(c, rng, t0):
    """A tout holds all good seats and never buys: hold after hold from homes all over, half of them too late, and again as soon as they lapse."""
    end = t0 + between(rng, 1, 5) * HOUR
    pause, show = 1 / between(rng, .1, 1.5), c.things.seldom(rng)

    def steps(r, now):
        while True:
            if r.random() < .2:
                yield uneven(r, pause), "map", show, 200, 1
            yield uneven(r, pause), "hold", show, odds(r, s409=.3, s423=.15, s429=.03), 1
    c.story(rng, Ring(rng.sample(find("isp", "mobile"), rng.randint(8, 30)), rng.randint(1, 5)), rng.sample(c.programs[2], 3) if rng.random() < .6 else c.tools(rng, 0), steps, t0, end)
    c.label("seat_holder", "suspend", t0, end)


def slow_tags(c, rng, t0):
    """Labels of machines are made up and tried, one each half minute or minute for a day and more, from some lines in turn: nine in ten do not exist, what does gives a name and an address."""
    end = t0 + between(rng, .6, 2) * DAY
    pause = between(rng, 15, 70)

    def steps(r, now):
        while True:
            yield uneven(r, pause), r.choice(["item", "cover"]), c.others(r), odds(r, s404=.88), 1
    c.story(rng, Ring([rng.choice(find("isp", "vps", unlike=c.asns())) for _ in range(rng.randint(2, 5))], rng.randint(4, 40)), c.tools(rng), steps, t0, end)
    c.label("slow_tags", "suspend", t0, end)


def neighbours_accounts(c, rng, t0):
    """From the customer's own cloud and country, with its program: the balances of accounts numbered next to the customer's, most of which never consented."""
    end = t0 + between(rng, 1, 8) * HOUR
    pause = between(rng, 2, 15)

    def steps(r, now):
        n = c.things.n + r.randint(100, 10000)
        while True:
            n += r.randint(1, 3)
            refused = odds(r, s403=.62, s404=.1)
            yield uneven(r, pause), "item", c.things.name(n), refused, 1
            if not refused:
                yield r.uniform(.3, 2), "moves", c.things.name(n), None, 2
    c.story(rng, Line(rng, c.cloud), [c.tool], steps, t0, end)
    c.label("neighbours_accounts", "suspend", t0, end)
