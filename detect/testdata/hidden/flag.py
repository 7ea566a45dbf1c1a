"""What an operator wants to be told and to look into, while the key may well stay on."""
from parts import DAY, MACHINES, ONE, act, between, homes, hours, kin, local_hour, other_program, program, routes, s, stranger, uneven, until


def leaver_copies(c, rng, t0, horizon):
    """Somebody inside, perhaps about to leave, copies exports, lists and reports one evening from the usual address. It may have been asked for."""
    t0 = local_hour(c, t0, rng.choice([19, 20, 21]))
    end = t0 + hours(rng, 1, 3)
    pause = between(rng, 12, 60)

    def story(r, now):
        while True:
            yield uneven(r, pause), "GET /v1/export/customers", None, None, r.uniform(1.5, 4)
            for _ in range(r.randint(1, 6)):
                yield uneven(r, pause), r.choice(["GET /v1/users", "GET /v1/orders"]), None, None, 2
            for n in r.sample(c.base.mix.ids.hot, r.randint(0, 4)):
                yield uneven(r, pause), "GET /v1/reports/{id}", n, None, 1.5
    act(c, rng, c.base.ips, c.base.agents if rng.random() < .5 else other_program(c, rng), story, t0, end)
    c.label("leaver_copies", "flag", t0, end)


def passed_around(c, rng, t0, horizon):
    """A key for one goes round a course: every evening some more homes in several countries try things with it, each for a while."""
    end = min(t0 + rng.uniform(3, 6) * DAY, horizon)
    where = rng.sample(homes(c), rng.randint(5, 12))
    mix = kin(c, rng, c.base.mix.routes, {k: v * 6 for k, v in s.habits(rng).items()})
    t, grow, first = t0, 2.0, end
    while t < end - 3 * 3600:
        for _ in range(max(2, int(grow * rng.uniform(.7, 1.4)))):
            a = t + rng.uniform(0, 4) * 3600
            b, first = min(a + hours(rng, .4, 2), end), min(first, a)
            c.segments.append((s.Profile(s.FixedIPs(rng, rng.choice(where), 1), program(c, rng, .1), mix, s.flat(between(rng, 15, 60) / 3600), .6), a, b, ONE))
        t, grow = t + DAY, grow * rng.uniform(1.3, 1.9)
    c.label("passed_around", "flag", first, end)


def sync_fight(c, rng, t0, horizon):
    """Two jobs of the customer's undo each other's change to the same few objects for hours: a bug, and a bill."""
    end = t0 + hours(rng, 1.5, 6)
    pause = 1 / min(3, max(between(rng, .4, 2), c.mean_rate() * 25))
    few = rng.sample(c.base.mix.ids.hot, rng.randint(1, 4))
    write = rng.choice(["PATCH /v1/users/{id}", "DELETE /v1/items/{id}"])
    clash = rng.uniform(0, .3)

    def story(r, now):
        while True:
            for n in few:
                yield r.expovariate(1 / pause), write, n, 409 if r.random() < clash else None, 1
                yield r.expovariate(1 / pause), ("GET /v1/users/{id}" if "users" in write else "POST /v1/items"), (n if "users" in write else None), None, 1
    act(c, rng, c.base.ips, c.base.agents, story, t0, end)
    c.label("sync_fight", "flag", t0, end)


def night_shift(c, rng, t0, horizon):
    """What is only used at desks by day is used some nights from an unknown network: ordinary calls at an ordinary pace, by the owner or not."""
    first = local_hour(c, t0, rng.choice([0, 1, 2]))
    nights = [a for a in (first + k * DAY for k in range(rng.randint(2, 3))) if a < horizon - 6 * 3600]
    ips = s.FixedIPs(rng, stranger(c, rng, ("vpn", "isp")), 1)
    mix = kin(c, rng, c.base.mix.routes, {k: v * 4 for k, v in s.habits(rng).items()})
    for a in nights:
        end = a + hours(rng, 2, 5)
        c.segments.append((s.Profile(ips, list(c.base.agents), mix, s.flat(max(between(rng, 25, 90) / 3600, c.mean_rate())), .5), a, end, ONE))
    c.label("night_shift", "flag", nights[0], end)


def slow_seep(c, rng, t0, horizon):
    """Day by day the customer's own client fetches half as much again, and more, of one heavy thing, and nobody knows why."""
    t0 = min(t0, horizon - rng.uniform(6.5, 9) * DAY)
    daily = between(rng, 25, 80) ** (DAY / (horizon - t0))  # 1.4 to 2 a day
    heavy = rng.choice([["GET /v1/export/customers"], ["GET /v1/reports/{id}"], ["GET /v1/search"]])
    if c.kind == "llm":
        heavy = ["POST /v1/chat/completions"]
    p = s.Profile(c.base.ips, c.base.agents, kin(c, rng, heavy, size=1.5), s.flat(max(c.mean_rate() * .15, 12 / DAY)), .2)
    c.segments.append((p, t0, horizon, lambda t: daily ** ((t - t0) / DAY)))
    c.label("slow_seep", "flag", t0, horizon)


def quota_edge(c, rng, t0, horizon):
    """Each full hour the customer's machine takes all that the rate limit gives, knocks on for a while, and waits for the next hour. For most of a day."""
    t0 = t0 - t0 % 3600 + 3600
    end = min(t0 + hours(rng, 6, 20), horizon)
    allowed, refused, pause = int(max(60, min(900, c.per_day * rng.uniform(.2, .6)))), rng.uniform(.3, 1.5), between(rng, .15, .8)
    name = rng.choice([r for r in c.base.mix.routes if "{id}" not in r[1]] or routes("GET /v1/search"))
    name = "%s %s" % (name[0], name[1])

    def story(r, now):
        yield r.uniform(0, 3), name, None, None, 1
        while True:
            for _ in range(allowed):
                yield r.expovariate(1 / pause), name, None, None, 1
            for _ in range(int(allowed * refused)):
                yield r.expovariate(1 / pause), name, None, 429, 1
            yield 3600 - now() % 3600 + r.uniform(0, 3), name, None, None, 1
    act(c, rng, c.base.ips, c.base.agents, story, t0, end)
    c.label("quota_edge", "flag", t0, end)


def ex_vendor(c, rng, t0, horizon):
    """A server in another country begins to read the customer's own objects with a program nobody announced, by office hours of elsewhere, at a fraction
    of the customer's pace: a vendor whose contract has ended, or one that has begun."""
    end = min(t0 + rng.uniform(2, 4) * DAY, horizon)
    names = [r for r in c.base.mix.routes if r[0] == "GET"] or routes("GET /v1/items", "GET /v1/items/{id}")
    mix = kin(c, rng, names, {403: rng.uniform(.05, .15), 404: rng.uniform(.02, .1)})
    tz, pause = rng.choice([-5, 1, 3, 8]), 1 / max(c.mean_rate() * rng.uniform(.3, .9), between(rng, 12, 40) / 3600)
    start = t0 + until(t0, tz, 8, 19, True)
    work = s.Profile(s.FixedIPs(rng, stranger(c, rng, ("vps", "vpn")), 1), program(c, rng, 0), mix, s.flat(1 / pause), .4)
    c.segments.append((work, start, end, lambda t: 1.0 if 8 <= (t + tz * 3600) % DAY / 3600 < 19 else 0.0))
    c.label("ex_vendor", "flag", start, end)


EPISODES = {f.__name__: (f, kinds) for f, kinds in (
    (leaver_copies, ("desk", "server")), (passed_around, ("desk", "llm")), (sync_fight, MACHINES), (night_shift, ("desk",)), (slow_seep, MACHINES),
    (quota_edge, MACHINES), (ex_vendor, ("server", "cron", "llm", "fleet")))}
