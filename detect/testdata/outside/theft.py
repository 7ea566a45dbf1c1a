"""Keys in the wrong hands, as reports of incidents tell of them. Each is to be suspended: the calls themselves show it."""
from places import DAY, HOUR, Functions, Machines, Proxies, find, homes
from traffic import Asks, Client, Script, Stranger, flat

NUMBERED = ("crm", "shop", "track", "kyc", "pay", "ads", "iot", "mail")


def between(rng, lo, hi):
    return lo * (hi / lo) ** rng.random()


def away(c, rng, *kinds, near=False):
    """A network that the customer has never used; near: in its country, if there is one."""
    kinds = kinds or ("vps", "vpn")
    return rng.choice((near and find(*kinds, country=c.country, unlike=c.asns())) or find(*kinds, unlike=c.asns()) or find(*kinds))


def tool(c, rng, copied=.3):
    """The program of a stranger; at times the customer's, copied."""
    return [c.tool] if rng.random() < copied else [rng.choice([t for t in c.p.tools + c.p.hand if t != c.tool and all(t not in x.agents for x in c.base)])]


def act(c, rng, where, agents, story, on, off, objects=None):
    return c.add(Script(rng, where, agents, Asks(rng, c.product, ["item" if "item" in c.product.routes else "make"], objects or c.objects, {}), story, on, off))


def uneven(r, mean):
    return mean * r.lognormvariate(-.32, .8)


def maybe(r, p, code):
    return code if r.random() < p else None


def walk(c, r, foreign=.6):
    """(ident, status) of one object after another, `foreign`: the share that is not the customer's and is refused. Running numbers are counted up; of other ids the thief has
    what the lists named, mostly things nobody asks for, and what he took from another victim."""
    refused = r.choice([403, 404])
    if c.product.style == "number":
        at = int(c.objects.name(r.randrange(c.objects.n)))
        while True:
            at += r.randint(1, 3)
            yield str(at), (refused if r.random() < foreign else None)
    others = Stranger(r, c.product)
    rest = list(range(c.objects.n))
    r.shuffle(rest)
    while True:
        for i in rest:
            while r.random() < foreign / 2:
                yield others.pick(r), refused
            yield c.objects.name(i), maybe(r, .01, 404)


def night_of(c, t0, hour):
    return t0 - t0 % DAY + ((hour - c.tz) % 24) * HOUR


def relay_resale(c, rng, t0):
    """Stolen access to models is sold through a relay: one or two rented machines ask day and night for the dearest model, of which the customer has never heard."""
    end = t0 + between(rng, 5, 20) * HOUR
    relay = Machines(rng, away(c, rng, "vps"), rng.randint(1, 3))
    act(c, rng, relay, tool(c, rng, .2), lambda r, now: iter([(1, "models", None, None, 1), (9, "dear", None, None, .02)]), t0, end)
    asks = Asks(rng, c.product, ["dear", "make"], c.objects, {429: rng.uniform(.02, .2), 400: .02}, weights=[8, 2], tokens=between(rng, 2, 6), big=2)
    c.add(Client(relay, tool(c, rng, .2), asks, flat(max(between(rng, .03, .2), 4 * c.per_day / DAY)), noise=.4, on=t0 + rng.uniform(60, 900), off=end))
    c.label("relay_resale", "suspend", t0, end)


def toll_numbers(c, rng, t0):
    """Pumping: codes are sent to blocks of dear numbers, one after another, and none is ever entered."""
    end = t0 + between(rng, 1, 6) * HOUR
    pause = 1 / max(between(rng, .1, .8), 4 * c.per_day / DAY)
    where = rng.choice([lambda: Proxies(rng, rng.sample(homes(), 12), rng.randint(2, 12)), lambda: Machines(rng, away(c, rng), 2)])()

    def story(r, now):
        prefix, n = r.randint(220, 998), r.randint(10 ** 6, 10 ** 7)
        while True:
            n += r.randint(1, 4)
            if r.random() < .1:
                yield uneven(r, pause), "lookup", "%%2B%d%08d" % (prefix, n), None, 1
            yield uneven(r, pause), "otp", None, r.choices([None, 400, 429], [85, 10, 5])[0], 1
    act(c, rng, where, tool(c, rng), story, t0, end)
    c.label("toll_numbers", "suspend", t0, end)


def bin_attack(c, rng, t0):
    """The payments key stood in a page's bundle: cards are made into tokens and confirmed, nearly all are declined; some few are tried again with another amount."""
    end = t0 + between(rng, .7, 4) * HOUR
    pause, declined = 1 / max(between(rng, .1, .8), 3 * c.per_day / DAY), rng.uniform(.75, .96)

    def story(r, now):
        while True:
            yield uneven(r, pause), "token", None, maybe(r, .1, 402), 1
            yield r.uniform(.3, 1.5), "make", None, None, .9
            yield r.uniform(.3, 2), "confirm", None, 402 if r.random() < declined else None, .7
    act(c, rng, Proxies(rng, rng.sample(homes() + find("vps"), rng.randint(5, 25)), rng.randint(2, 14)), tool(c, rng), story, t0, end)
    c.label("bin_attack", "suspend", t0, end)


def who_has_account(c, rng, t0):
    """Lists of telephone numbers, names or ids are looked up to find who is a customer: most are unknown. From functions of another cloud, an address for every few calls."""
    end = t0 + between(rng, 1, 5) * HOUR
    pause, unknown = 1 / max(between(rng, .2, 2), 3 * c.per_day / DAY), rng.uniform(.6, .93)
    name = next(n for n in ("lookup", "cust", "item") if n in c.product.routes)

    def story(r, now):
        others = Stranger(r, c.product)
        while True:
            yield uneven(r, pause), name, None if name == "lookup" else others.pick(r), 404 if r.random() < unknown else None, 1
    act(c, rng, Functions(rng, away(c, rng, "cloud"), rng.randint(4, 20), rng.uniform(1, 6)), tool(c, rng), story, t0, end)
    c.label("who_has_account", "suspend", t0, end)


def night_dump(c, rng, t0):
    """At night a new machine at the customer's own provider, with its agent, turns all pages of all lists and opens all objects, most of which nobody opened for weeks."""
    t0 = night_of(c, t0, rng.choice([1, 2, 3]))
    end = t0 + between(rng, 2, 5) * HOUR
    pause = 1 / max(between(rng, .3, 2), 4 * c.per_day / DAY)

    def story(r, now):
        for ident, status in walk(c, r, .5):
            if r.random() < .06:
                yield uneven(r, pause), "list", None, None, 1.6
            yield uneven(r, pause), "item", ident, status, 1
    act(c, rng, Machines(rng, c.cloud, rng.randint(1, 2)), [c.tool], story, t0, end)
    c.label("night_dump", "suspend", t0, end)


def copied_key_at_home(c, rng, t0):
    """Somebody took the key home: one evening a line in a flat, in the customer's own country, fetches every object there is by a script."""
    t0 = night_of(c, t0, rng.choice([19, 20, 21, 22]))
    end = t0 + between(rng, 1.5, 4) * HOUR
    pause = 1 / max(between(rng, .3, 1.5), 4 * c.per_day / DAY)

    def story(r, now):
        yield 1, "me", None, None, 1
        for ident, status in walk(c, r, .4):
            if r.random() < .08:
                yield uneven(r, pause), "list", None, None, 1.8
            yield uneven(r, pause), "item", ident, status, 1
    act(c, rng, Machines(rng, rng.choice(homes(c.country, c.asns()))), tool(c, rng, 0), story, t0, end)
    c.label("copied_key_at_home", "suspend", t0, end)


def owned_box(c, rng, t0):
    """The customer's own server is in other hands: same address, same agent. It asks who it is, what else there is, is refused at the administrator's doors, and then takes all it can."""
    end = t0 + between(rng, 1, 5) * HOUR
    pause = 1 / max(between(rng, .4, 2.5), 6 * c.per_day / DAY)
    one = Machines(rng, c.cloud, ips=[c.main.where.pick(rng, t0, 0)])

    def story(r, now):
        for name in ["me", "members", "keys", "audit", "bill", "hooks", "newkey", "usage"] * 2:
            yield uneven(r, 5), name, None, r.choice([403, 403, 401]) if name in ("keys", "audit", "newkey", "members") else None, 1
        for ident, status in walk(c, r, .6):
            if r.random() < .05:
                yield uneven(r, pause), r.choice(["members", "audit", "list"]), None, maybe(r, .5, 403), 1.5
            yield uneven(r, pause), "item", ident, status, 1
    act(c, rng, one, [c.tool], story, t0, end)
    c.label("owned_box", "suspend", t0, end)


def extortion(c, rng, t0):
    """What the key may delete is fetched and deleted, one after another, and a note is left."""
    end = t0 + between(rng, .4, 2) * HOUR
    pause = between(rng, .3, 3)

    def story(r, now):
        for _ in range(r.randint(2, 8)):
            yield uneven(r, 4), "list", None, None, 1.5
        for i in range(min(c.objects.n, 4000)):
            ident = c.objects.name(i)
            if r.random() < .8:
                yield uneven(r, pause), "item" if c.product.name != "conv" else "file", ident, None, 1
            yield r.uniform(.1, pause), "del", ident, maybe(r, .03, 404), 1
    act(c, rng, Machines(rng, away(c, rng), 1), tool(c, rng), story, t0, end)
    c.label("extortion", "suspend", t0, end)


def allowance_burner(c, rng, t0):
    """A rival burns the customer's allowance with cheap calls from hundreds of lines; soon most answers are refusals, the customer's own among them."""
    end = t0 + between(rng, 1, 4) * HOUR
    names = c.used()[:2]
    asks = Asks(rng, c.product, names, c.objects, {429: rng.uniform(.4, .8)})
    c.add(Client(Proxies(rng, rng.sample(homes(), 15), rng.randint(1, 4)), tool(c, rng, .5), asks, flat(max(between(rng, .3, 1.2), 8 * c.per_day / DAY)), on=t0, off=end, retries=False))
    for b in c.base:
        b.limited = (t0 + 600, end, rng.uniform(.3, .7))
    c.label("allowance_burner", "suspend", t0, end)


def patient_tester(c, rng, t0):
    """Who found the key tries it with one to three calls that hurt nobody, and comes back hours or days later from elsewhere to read what there is."""
    back = t0 + between(rng, 4, 50) * HOUR
    end = back + between(rng, 1, 6) * HOUR
    agents, pause = tool(c, rng, .15), 1 / max(between(rng, .2, 2), 3 * c.per_day / DAY)
    act(c, rng, Machines(rng, away(c, rng, "vpn", "isp"), 1), [rng.choice(c.p.hand)], lambda r, now: iter([(1, "me", None, None, 1), (8, c.used()[0], None, None, 1), (30, "usage", None, None, 1)][:r.randint(1, 3)]), t0, back)

    def story(r, now):
        for ident, status in walk(c, r, .5):
            yield uneven(r, pause), "item", ident, status, 1
            if r.random() < .05:
                yield uneven(r, pause), "list", None, None, 1.5
    act(c, rng, Machines(rng, away(c, rng, "vps", "cloud"), rng.randint(1, 3)), agents, story, back, end)
    c.label("patient_tester", "suspend", t0, end)


def twin(c, rng, t0):
    """The thief rents in the customer's country and provider, sends its agent, calls its routes, by day, at its pace, but asks for object after object that it never asked for."""
    end = t0 + between(rng, 4, 10) * HOUR
    pause = 1 / max(between(rng, .05, .3), rng.uniform(1, 2) * c.per_day / DAY)
    rest = [n for n in c.used() if n != "item"][:2]

    def story(r, now):
        for ident, status in walk(c, r, .35):
            yield uneven(r, pause), "item", ident, status, 1
            if rest and r.random() < .15:
                yield uneven(r, pause), r.choice(rest), None, None, 1
    act(c, rng, Machines(rng, c.cloud, rng.randint(1, 2)), [c.tool], story, t0, end)
    c.label("twin", "suspend", t0, end)


def drip(c, rng, t0):
    """A catalogue is read one object every ten to forty seconds for days, through other people's homes all over the world, each for a call or two."""
    end = t0 + between(rng, 20, 60) * HOUR
    pause = between(rng, 8, 40)

    def story(r, now):
        for ident, status in walk(c, r, .25):
            yield uneven(r, pause), "item", ident, status, 1
    act(c, rng, Proxies(rng, rng.sample(homes(), rng.randint(12, 40)), rng.choice([1, 2, 3])), rng.choice([tool(c, rng, .4), c.p.browsers]), story, t0, end)
    c.label("drip", "suspend", t0, end)


def log_harvest(c, rng, t0):
    """The key stood in the open log of a build: within hours several strangers look what it opens, each with a program and from a country of its own; one of them stays."""
    end = t0 + between(rng, 2, 7) * HOUR
    for k in range(rng.randint(3, 6)):
        at = t0 if k == 0 else t0 + rng.uniform(0, .5) * (end - t0)

        def look(r, now, stay=k == 1):
            for name in ["me"] + r.sample(["keys", "members", "usage", "list", "bill", "hooks", "audit"], r.randint(2, 5)):
                yield uneven(r, 6), name, None, r.choice([403, None]) if name in ("keys", "members", "audit", "bill") else None, 1
            if stay:
                for ident, status in walk(c, r):
                    yield uneven(r, 1.5), "item", ident, status, 1
        act(c, rng, Machines(rng, away(c, rng, "vps", "vpn", "isp", "cloud"), 1), tool(c, rng, 0), look, at, end)
    c.label("log_harvest", "suspend", t0, end)


def phishing_run(c, rng, t0):
    """Somebody mails his own lists through the customer's account: senders are made, then thousands of large messages as fast as it goes, many refused."""
    end = t0 + between(rng, .5, 3) * HOUR
    pause = 1 / max(between(rng, .5, 2), 8 * c.per_day / DAY)

    def story(r, now):
        for name in ["me", "stats", "sender", "sender"]:
            yield uneven(r, 8), name, None, maybe(r, .2, 403), 1
        while True:
            yield uneven(r, pause), "make", None, r.choices([None, 400, 429, 403], [80, 9, 6, 5])[0], 1.5
    act(c, rng, Machines(rng, away(c, rng, "vps", "vpn"), rng.randint(1, 3)), tool(c, rng, .2), story, t0, end)
    c.label("phishing_run", "suspend", t0, end)
