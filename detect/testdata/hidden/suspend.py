"""Keys in the wrong hands. Whoever reads the log of such a key would turn it off within minutes."""
from parts import ANY, DAY, HOSTED, MACHINES, MOST, ONE, Anywhere, Pool, Slow, act, between, homes, hours, local_hour, own_network, program, routes, s, \
    steady, status, stranger, uneven


def walk(r, step=1):
    n = r.randint(1, 1_500_000)
    while True:
        n += r.randint(1, step)
        yield n


def prize(rng):
    """What thieves read one object after another."""
    return rng.choice([["GET /v1/users/{id}"], ["GET /v1/orders/{id}"], ["GET /v1/invoices/{id}"], ["GET /v1/users/{id}", "GET /v1/users/{id}/orders"]])


def repo_scanners(c, rng, t0, horizon):
    """The key stood in a public repository: within the hour people who never met try it, each from another network with another program. Some stay and read."""
    end = t0 + hours(rng, 1.5, 5)

    def visitor(stays, pause):
        def story(r, now):
            yield r.uniform(0, 20), "GET /v1/me", None, None, 1
            for name in r.sample(["GET /v1/users", "GET /v1/admin/keys", "GET /v1/webhooks", "GET /v1/orders", "GET /v1/export/customers", "GET /v1/items"], r.randint(2, 5)):
                yield uneven(r, 4), name, None, 403 if "admin" in name else status(r, {403: .3}), 1
            ids = walk(r, 3)
            for _ in range(r.randint(80, 500) if stays else 0):
                yield uneven(r, pause), "GET /v1/users/{id}", next(ids), status(r, {404: .25}), 1
        return story
    for k in range(rng.randint(4, 9)):
        at = t0 if k == 0 else min(t0 + rng.expovariate(1 / 1200), end - 1800)
        act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vps", "vpn", "isp", "cloud")), 1), program(c, rng, 0), visitor(k < 2 or rng.random() < .25, between(rng, .5, 6)), at, end)
    c.label("repo_scanners", "suspend", t0, end)


def malware_homes(c, rng, t0, horizon):
    """Malware took the key off a machine; its new owner reads people and their orders through homes, of the customer's country or of several."""
    end = t0 + hours(rng, 4, 12)
    where = homes(c, c.home) if rng.random() < .5 else rng.sample(homes(c), rng.randint(4, 12))
    pause, missing = between(rng, 2, 12), rng.uniform(.08, .35)

    def story(r, now):
        while True:
            who = r.randint(1, 2_000_000)
            found = r.random() > missing
            yield uneven(r, pause), "GET /v1/users/{id}", who, None if found else 404, 1
            if found and r.random() < .6:
                yield uneven(r, pause / 3), "GET /v1/users/{id}/orders", who, None, 1
    act(c, rng, s.ThrowAway(where, rng.randint(6, 40)), program(c, rng, .5), story, t0, end)
    c.label("malware_homes", "suspend", t0, end)


def token_reseller(c, rng, t0, horizon):
    """Somebody sells access to the customer's model account: from a handful of rented servers, day and night, many times what the customer uses."""
    end = min(t0 + hours(rng, 8, 26), horizon)
    over = t0 + hours(rng, .2, 2)
    servers = Pool([s.ip_in(rng, stranger(c, rng, ("vps", "cloud", "vpn"))) for _ in range(rng.randint(2, 6))])
    mix = s.Mix(rng, routes("POST /v1/chat/completions") + (routes("POST /v1/embeddings") if rng.random() < .3 else []), {429: rng.uniform(.01, .2), 400: .02},
                tokens_factor=between(rng, 1.5, 8))
    rate = min(.5, max(between(rng, .05, .3), c.mean_rate() * rng.uniform(5, 15)))
    c.segments.append((s.Profile(servers, program(c, rng), mix, s.flat(rate), .3), t0, end, lambda t: .4 + .6 * min(1, (t - t0) / (over - t0))))
    c.label("token_reseller", "suspend", t0, end)


def list_broker(c, rng, t0, horizon):
    """A data broker turns the pages of whole lists, full pages at a steady pace for hours, and never opens an object."""
    end = t0 + hours(rng, 4, 18)
    lists = rng.sample(["GET /v1/users", "GET /v1/orders", "GET /v1/items", "GET /v1/search"], rng.randint(1, 2))
    pause, size, jitter = between(rng, 1.5, 14), rng.uniform(1.5, 4), rng.choice([.02, .2, .5])

    def story(r, now):
        while True:
            for name in lists:
                for _ in range(r.randint(20, 400)):
                    held = r.random() < .01
                    yield steady(r, pause, jitter), name, None, 429 if held else None, size
                    if held:
                        yield 60, name, None, None, size
    act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vps", "cloud", "vpn")), rng.randint(1, 4)), program(c, rng), story, t0, end)
    c.label("list_broker", "suspend", t0, end)


def login_stuffing(c, rng, t0, horizon):
    """Lists of passwords are tried through the key: nearly every log-in is refused, from addresses all over the world."""
    end = t0 + hours(rng, .5, 2.5)
    pause, wrong = 1 / between(rng, .4, 3), rng.uniform(.9, .985)

    def story(r, now):
        while True:
            failed = r.random() < wrong
            yield r.expovariate(1 / pause), "POST /v1/login", None, status(r, {429: .05}, 401) if failed else 200, 1
            if not failed:
                yield r.uniform(.3, 2), "GET /v1/me", None, None, 1
    act(c, rng, s.ThrowAway(rng.sample(s.nets(["isp", "mobile", "vps"]), rng.randint(10, 30)), rng.randint(2, 9)), program(c, rng, .5), story, t0, end)
    c.label("login_stuffing", "suspend", t0, end)


def clock_scraper(c, rng, t0, horizon):
    """A price scraper that is in no hurry: one article after another by a timer, days and nights alike."""
    end = min(t0 + hours(rng, 28, 60), horizon)
    period, jitter = between(rng, 6, 40), rng.choice([.01, .05, .25])

    def story(r, now):
        for n in walk(r, rng.choice([1, 4])):
            yield steady(r, period, jitter), "GET /v1/items/{id}", n, status(r, {404: .12}), 1
            if n % 5 == 0:
                yield steady(r, period, jitter), "GET /v1/prices", None, None, 1
    act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vps",)), rng.randint(1, 2)), program(c, rng), story, t0, end)
    c.label("clock_scraper", "suspend", t0, end)


def ransom_wipe(c, rng, t0, horizon):
    """Somebody looks at the customer's objects, copies each and deletes it, and leaves a note."""
    end = t0 + hours(rng, .3, 1.5)
    pause = between(rng, .4, 5)
    mine = rng.sample(c.base.mix.ids.hot, rng.randint(150, 400))

    def story(r, now):
        for _ in range(r.randint(2, 6)):
            yield uneven(r, 3), "GET /v1/items", None, None, 1
        for n in mine:
            yield uneven(r, pause), "GET /v1/items/{id}", n, status(r, {404: .05}), 1
            yield r.uniform(.1, .6), "DELETE /v1/items/{id}", n, status(r, {404: .05}), 1
        yield 5, "POST /v1/items", None, None, 1
    act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vpn", "vps")), rng.randint(1, 2)), program(c, rng), story, t0, end)
    c.label("ransom_wipe", "suspend", t0, end)


def free_rider(c, rng, t0, horizon):
    """Another shop runs on the customer's key, with its user agent, from hosts abroad: many times its volume, and half of the objects it asks for are refused,
    since they are not the customer's."""
    end = min(t0 + hours(rng, 5, 20), horizon)
    rate = min(1.0, max(between(rng, .03, .2), c.mean_rate() * rng.uniform(5, 15)))
    ips, agents, tz = s.FixedIPs(rng, stranger(c, rng, ("vps", "cloud")), rng.randint(1, 6)), list(c.base.agents), rng.choice([-8, 0, 3, 8])
    objects = [r for r in c.base.mix.routes if "{id}" in r[1]] or routes("GET /v1/orders/{id}", "GET /v1/items/{id}")
    refused = s.Mix(rng, objects, {403: rng.uniform(.25, .4), 404: rng.uniform(.1, .25)}, Anywhere())
    for mix in [refused] + [s.Mix(rng, rest, s.habits(rng)) for rest in [[r for r in c.base.mix.routes if "{id}" not in r[1]]] if rest]:
        c.segments.append((s.Profile(ips, agents, mix, s.diurnal(rate / 2, tz, rng.uniform(.1, .5), 1), .2), t0, end, ONE))
    c.label("free_rider", "suspend", t0, end)


def next_door(c, rng, t0, horizon):
    """The thief rents in the customer's own cloud and region, which looks like home, and reads object after object that the customer never opened."""
    net = own_network(c)
    if net is None or net["kind"] not in ("cloud", "vps"):
        return False
    end = t0 + hours(rng, 1, 7)
    names, pause, missing = prize(rng), between(rng, .4, 4), rng.uniform(.03, .3)

    def story(r, now):
        for n in walk(r, 3):
            for name in names:
                yield uneven(r, pause), name, n, status(r, {404: missing, 403: .02}), 1
    act(c, rng, s.FixedIPs(rng, net, rng.randint(1, 2)), program(c, rng, .6), story, t0, end)
    c.label("next_door", "suspend", t0, end)


def night_visitor(c, rng, t0, horizon):
    """A thief comes when the customer sleeps and fetches exports and one report after another, one to three nights running."""
    first = local_hour(c, t0, rng.choice([1, 2, 3]))
    nights = [a for a in (first + k * DAY for k in range(rng.randint(1, 3))) if a < horizon - 5 * 3600]
    ips, agents, pause = s.FixedIPs(rng, stranger(c, rng, ("vpn", "vps", "isp")), rng.randint(1, 2)), program(c, rng, .5), between(rng, 2, 15)

    def story(r, now):
        ids = walk(r, 2)
        while True:
            if r.random() < .12:
                yield uneven(r, pause * 2), "GET /v1/export/customers", None, None, 2
            yield uneven(r, pause), "GET /v1/reports/{id}", next(ids), status(r, {404: .15, 403: .05}), 1.5
    for a in nights:
        end = a + hours(rng, 1.5, 4)
        act(c, rng, ips, agents, story, a, end)
    c.label("night_visitor", "suspend", nights[0], end)


def key_ring(customers, rng, t0, horizon):
    """One thief with the keys of several accounts tries all of them from the same few servers in the same hour, then empties each."""
    ips = s.FixedIPs(rng, rng.choice(s.nets(["vps", "vpn"], not_asn=[n for c in customers for n in c.own_asns()])), rng.randint(1, 3))
    agents, pause, names = program(customers[0], rng, 0), between(rng, .7, 5), prize(rng)

    def story(r, now):
        yield r.uniform(0, 3), "GET /v1/me", None, None, 1
        yield r.uniform(1, 3), "GET /v1/users", None, status(r, {403: .3}), 1
        for n in walk(r, 2):
            for name in names:
                yield uneven(r, pause), name, n, status(r, {404: .2, 403: .05}), 1
    for k, c in enumerate(customers):
        at = t0 + k * rng.uniform(5, 240)
        end = at + hours(rng, 1, 5)
        act(c, c.rng, ips, agents, story, at, end)
        c.label("key_ring", "suspend", at, end)


def report_mill(c, rng, t0, horizon):
    """The dearest calls of the API, several at a time from strangers' servers until the service gives in: denial of service, or of wallet."""
    end = t0 + hours(rng, .3, 1.4)
    mix = Slow(rng, rng.choice([routes("GET /v1/reports/{id}"), routes("GET /v1/export/customers"), routes("POST /v1/images"), routes("GET /v1/reports/{id}", "GET /v1/search")]),
               {503: rng.uniform(.1, .35), 504: rng.uniform(0, .1), 429: rng.uniform(.05, .3)}, Anywhere(), slower=between(rng, 3, 12))
    ips = Pool([s.ip_in(rng, stranger(c, rng)) for _ in range(rng.randint(1, 8))])
    c.segments.append((s.Profile(ips, program(c, rng), mix, s.flat(between(rng, .5, 4)), .05), t0, end, ONE))
    c.label("report_mill", "suspend", t0, end)


def webhook_hijack(c, rng, t0, horizon):
    """Somebody removes the customer's webhooks, registers others by the dozen, and has the platform fire at them again and again."""
    end = t0 + hours(rng, .7, 4)
    pause = between(rng, 1, 12)

    def story(r, now):
        yield r.uniform(0, 5), "GET /v1/webhooks", None, None, 1
        for n in r.sample(range(1000, 90000), r.randint(2, 6)):
            yield uneven(r, 2), "DELETE /v1/webhooks/{id}", n, None, 1
        n = r.randint(90_000, 400_000)
        while True:
            n += r.randint(1, 20)
            yield uneven(r, pause), "POST /v1/webhooks", None, status(r, {422: .08}), 1
            for _ in range(r.randint(2, 25)):
                yield uneven(r, pause), "POST /v1/webhooks/{id}/test", n, status(r, {429: .08, 502: .06}), 1
    act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vpn", "vps", "isp")), rng.randint(1, 2)), program(c, rng, .2), story, t0, end)
    c.label("webhook_hijack", "suspend", t0, end)


def card_testing(c, rng, t0, horizon):
    """Stolen cards are tried through the customer's payments: most are declined, at a pace that no shop has, through proxies."""
    end = t0 + hours(rng, .5, 3)
    pause, declined = 1 / between(rng, .15, 1.5), rng.uniform(.65, .93)
    where = rng.sample(s.nets(["isp", "mobile", "vpn"]), rng.randint(3, 16)) if rng.random() < .7 else [stranger(c, rng)]

    def story(r, now):
        while True:
            yield r.expovariate(1 / pause), "POST /v1/payments", None, status(r, {402: declined, 429: .02}), 1
    act(c, rng, s.ThrowAway(where, rng.randint(3, 20)), program(c, rng), story, t0, end)
    c.label("card_testing", "suspend", t0, end)


def forgotten_image(c, rng, t0, horizon):
    """A key that nobody has used for a week and more lay in an old container image; who found it looks what it opens, then takes what there is."""
    end = t0 + hours(rng, 1, 8)
    names, pause = prize(rng), between(rng, 1, 15)

    def story(r, now):
        yield r.uniform(0, 10), "GET /v1/me", None, None, 1
        for name in r.sample(["GET /v1/users", "GET /v1/admin/keys", "GET /v1/admin/audit", "GET /v1/webhooks", "GET /v1/orders", "GET /v1/items"], 4):
            yield uneven(r, 12), name, None, 403 if "admin" in name else status(r, {403: .2}), 1
        for n in walk(r, 2):
            for name in names:
                yield uneven(r, pause), name, n, status(r, {404: .2, 403: .08}), 1
    act(c, rng, s.FixedIPs(rng, stranger(c, rng, ("vps", "vpn", "isp")), rng.randint(1, 2)), program(c, rng, 0), story, t0, end)
    c.label("forgotten_image", "suspend", t0, end)


EPISODES = {f.__name__: (f, kinds) for f, kinds in (
    (repo_scanners, MOST), (malware_homes, MACHINES), (token_reseller, ("llm", "server", "desk")), (list_broker, ANY),
    (login_stuffing, ("server", "fleet", "mobile", "desk")), (clock_scraper, ANY), (ransom_wipe, MOST), (free_rider, MACHINES), (next_door, MACHINES),
    (night_visitor, ("server", "desk", "fleet")), (report_mill, MOST), (webhook_hijack, MOST), (card_testing, ("server", "fleet", "mobile")),
    (forgotten_image, ("dormant",)))}
GROUPS = {"key_ring": (key_ring, ("server", "desk", "llm", "cron"))}
