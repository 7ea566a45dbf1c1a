"""More keys in the wrong hands: the products of identity, devices, market data, parcels, conversion, and money."""
from places import DAY, HOUR, OFFSET, Functions, Machines, Proxies, homes
from theft import act, away, between, maybe, tool, uneven, walk
from traffic import Asks, Client, Stranger, daily, flat


def command_all(c, rng, t0):
    """A credential of the devices' platform, taken out of one device: the list of all devices is read, and then each is given commands, as nobody does by day."""
    end = t0 + between(rng, .7, 4) * HOUR
    pause = 1 / max(between(rng, .2, 2), 2 * c.per_day / DAY)

    def story(r, now):
        for _ in range(r.randint(5, 25)):
            yield uneven(r, 2), "list", None, None, 1.5
        for ident, status in walk(c, r, .3):
            yield uneven(r, pause), "item", ident, status, 1
            if status is None:
                yield r.uniform(.1, 1), "send", ident, maybe(r, .15, 403), 1
    act(c, rng, Machines(rng, away(c, rng, "vps", "vpn"), 1), tool(c, rng, .2), story, t0, end)
    c.label("command_all", "suspend", t0, end)


def sold_feed(c, rng, t0):
    """The key is for sale: within a day some twenty to forty strangers in a dozen countries, each with a program of its own, ask for what they like, far more than the customer does."""
    end = t0 + between(rng, 12, 30) * HOUR
    n = rng.randint(18, 40)
    for k in range(n):
        on = t0 + (0 if k < 3 else rng.random() ** 1.5 * .6 * (end - t0))
        net = away(c, rng, "isp", "isp", "vps", "cloud", "vpn")
        objects = Stranger(rng, c.product)
        pool = [r.name for r in c.product.daily if r.name != "make"]
        asks = Asks(rng, c.product, rng.sample(pool, min(len(pool), rng.randint(1, 3))), objects, {403: rng.uniform(0, .1), 404: rng.uniform(0, .1), 429: rng.uniform(0, .1)})
        mean = max(between(rng, 20, 300), .3 * c.per_day) / DAY
        c.add(Client(Machines(rng, net, 1), tool(c, rng, 0), asks, daily(mean, OFFSET.get(net.country, 0), .7), calls=rng.uniform(1, 10), pause=rng.uniform(.5, 8), noise=.5, on=on, off=end))
    c.label("sold_feed", "suspend", t0, end)


def passport_haul(c, rng, t0):
    """The papers of one applicant after another are downloaded through a VPN, the newest first, all of them, at a person's pace but without a pause."""
    end = t0 + between(rng, 2, 8) * HOUR
    pause = between(rng, 1.2, 6)

    def story(r, now):
        for ident, status in walk(c, r, .4):
            yield uneven(r, pause), "item", ident, status, 1
            if status is None:
                yield r.uniform(.2, pause), "doc", ident, maybe(r, .05, 404), 1.3
    act(c, rng, Machines(rng, away(c, rng, "vpn", "vps"), 1), tool(c, rng), story, t0, end)
    c.label("passport_haul", "suspend", t0, end)


def take_over_account(c, rng, t0):
    """Few calls and all of them bad: from a stranger's line the account, its members and keys are looked at, hooks turned elsewhere, keys made, the bank account changed."""
    end = t0 + between(rng, .3, 1.5) * HOUR

    def story(r, now):
        for name in ["me", "members", "keys", "hooks", "bill"]:
            yield uneven(r, 12), name, None, None, 1
        for name in ["hookset", "hooknew", "newkey", "bank"] + (["balance", "payout", "payout"] if "payout" in c.product.routes else []) + r.choices(["hookset", "newkey", "hooknew", "audit"], k=r.randint(6, 20)):
            yield uneven(r, 40), name, None, maybe(r, .25, 403), 1
        for ident, status in walk(c, r, .3):
            yield uneven(r, 6), "item", ident, status, 1
    act(c, rng, Machines(rng, away(c, rng, "vpn", "vps", "isp"), 1), tool(c, rng, .1), story, t0, end)
    c.label("take_over_account", "suspend", t0, end)


def refund_ring(c, rng, t0):
    """Money flows back to cards of the thieves: page after page of payments, and a refund for many, in an hour more than in the months before."""
    end = t0 + between(rng, .5, 3) * HOUR
    pause = between(rng, 1.5, 10)

    def story(r, now):
        while True:
            yield uneven(r, pause), "list", None, None, 1
            for _ in range(r.randint(3, 12)):
                yield uneven(r, pause), "item", c.objects.name(r.randrange(c.objects.n)), None, 1
                yield uneven(r, pause), "refund", None, r.choices([None, 400, 403, 402], [75, 12, 5, 8])[0], 1
    act(c, rng, Machines(rng, away(c, rng, "vpn", "vps", "isp"), rng.randint(1, 2)), tool(c, rng, .2), story, t0, end)
    c.label("refund_ring", "suspend", t0, end)


def free_postage(c, rng, t0):
    """Labels are bought on the customer's bill and sold: parcel after parcel and its label from homes that are nobody's shop, by night too."""
    end = t0 + between(rng, 3, 12) * HOUR
    pause = 1 / max(between(rng, .1, .5), 3 * c.per_day / DAY)

    def story(r, now):
        while True:
            for _ in range(r.randint(1, 3)):
                yield uneven(r, pause), "rates", None, maybe(r, .1, 422), 1
            bad = r.random() < .2
            yield uneven(r, pause), "make", None, 422 if bad else None, 1
            if not bad:
                yield r.uniform(.5, 3), "label", None, None, 1
    act(c, rng, Proxies(rng, rng.sample(homes(), rng.randint(4, 15)), rng.randint(5, 40)), tool(c, rng, .2), story, t0, end)
    c.label("free_postage", "suspend", t0, end)


def inner_ports(c, rng, t0):
    """The converter is made to fetch addresses inside its own network: the same call over and over with another address, most of them errors, many of them after a long wait."""
    end = t0 + between(rng, .5, 3) * HOUR
    pause = between(rng, .4, 4)

    def story(r, now):
        yield 1, "me", None, None, 1
        while True:
            yield uneven(r, pause), "url", None, r.choices([None, 400, 422, 502, 504], [10, 25, 40, 10, 15])[0], .4
            if r.random() < .1:
                yield uneven(r, pause), "item", None, maybe(r, .4, 404), .5
    act(c, rng, Machines(rng, away(c, rng, "vps", "vpn"), 1), tool(c, rng, .1), story, t0, end)
    c.clients[-1].asks.slow = between(rng, 2, 8)
    c.label("inner_ports", "suspend", t0, end)


def app_key_script(c, rng, t0):
    """The key was cut out of the app, and its agent with it: a rented machine, not a telephone, asks for number after number, most of them other people's."""
    end = t0 + between(rng, 2, 9) * HOUR
    pause = 1 / max(between(rng, .3, 2), 1.5 * c.per_day / DAY)
    where = rng.choice([lambda: Machines(rng, away(c, rng, "vps"), rng.randint(1, 3)), lambda: Functions(rng, away(c, rng, "cloud"), rng.randint(2, 8), 5)])()

    def story(r, now):
        others = Stranger(r, c.product)
        for ident, status in walk(c, r, .7):
            yield uneven(r, pause), "item", ident if c.product.style == "number" else others.pick(r), status if c.product.style == "number" else maybe(r, .5, 404), 1
    act(c, rng, where, [rng.choice(c.main.agents)], story, t0, end)
    c.label("app_key_script", "suspend", t0, end)


def dear_history(c, rng, t0):
    """A stranger downloads what costs most, day after day and place after place of the archive, from two or three machines at once; the customer has hardly ever asked for it."""
    end = t0 + between(rng, 2, 10) * HOUR
    net = away(c, rng, "vps", "cloud")
    asks = Asks(rng, c.product, ["dear"], Stranger(rng, c.product), {404: .02, 429: rng.uniform(0, .1)}, big=rng.uniform(1, 2.5))
    c.add(Client(Machines(rng, net, rng.randint(2, 4)), tool(c, rng, .3), asks, flat(max(between(rng, .1, .8), 3 * c.per_day / DAY)), noise=.1, on=t0, off=end))
    c.label("dear_history", "suspend", t0, end)


def fleet_to_steal(c, rng, t0):
    """A swarm of short-lived functions in several regions of another provider reads all objects at once, as fast as the platform lets it."""
    end = t0 + between(rng, .3, 1.5) * HOUR
    total = max(between(rng, 1.5, 4), 10 * c.per_day / DAY)
    for _ in range(rng.randint(2, 4)):
        def story(r, now, n=3):
            for ident, status in walk(c, r, .4):
                yield uneven(r, 3 / total), "item", ident, maybe(r, .04, 429) or status, 1
        act(c, rng, Functions(rng, away(c, rng, "cloud"), rng.randint(6, 25), rng.uniform(1, 4)), tool(c, rng, .2), story, t0 + rng.uniform(0, 40), end)
    c.label("fleet_to_steal", "suspend", t0, end)


def weekend_prompts(c, rng, t0):
    """On a weekend night somebody's agents run on the customer's model key from rented machines: long conversations that grow with each call, all through till Monday."""
    end = t0 + between(rng, 6, 24) * HOUR
    mean = max(between(rng, .03, .15), 2.5 * c.per_day / DAY)

    def story(r, now):
        yield 1, "models", None, None, 1
        while True:
            big = r.uniform(.5, 1.5)
            for _ in range(r.randint(4, 25)):
                big *= 1.18
                yield uneven(r, 2 / mean * .5), "make", None, maybe(r, .02, 429), min(big, 25)
    for _ in range(rng.randint(2, 4)):
        act(c, rng, Machines(rng, away(c, rng, "vps", "cloud"), 1), tool(c, rng, .1), story, t0 + rng.uniform(0, 600), end)
    c.label("weekend_prompts", "suspend", t0, end)
