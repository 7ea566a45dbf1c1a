"""What customers and their surroundings do of their own accord: neither suspension nor alarm is wanted."""
from clients import Client, daily, flow, heaps, mixed, office, timers
from places import DAY, HOUR, Gateway, Hops, Line, Nodes, Partly, Runners, find
from theft import between, odds, uneven


def ramp(a, seconds):
    return lambda t: min(1.0, max(0.0, (t - a) / seconds))


def twin(c, b, **k):
    """Another of the client b, changed in k."""
    new = Client(**{**{n: getattr(b, n) for n in ("where", "agents", "when", "work", "things", "errors", "people", "retry", "slow")}, **k})
    new.factors = list(b.factors)
    c.clients.append(new)
    return new


def evacuated_zone(c, rng, t0):
    """The zone is ill: for hours all is done by machines of the same provider in another country, still on the last version of the program, with empty caches; then home again."""
    end = t0 + between(rng, 1.5, 14) * HOUR
    net = rng.choice([n for n in find("cloud") if n.asn == c.cloud.asn and n.country != c.country] or find("cloud", unlike=[c.cloud.asn]))
    for b in c.base:
        if c.cloud in b.where.nets:
            twin(c, b, where=Nodes(rng, net, rng.randint(2, 8), 20), on=t0, off=end, agents=[a + rng.choice(["", " (r1)"]) for a in b.agents])
            b.factors.append(lambda t: 0.0 if t0 <= t < end else 1.0)
    c.label("evacuated_zone", "benign", t0, end)


def ferry_landing(c, rng, t0):
    """The boxes were out of reach for hours, as on a ferry; then all tell everything at once, in large calls, one after the other."""
    back = t0 + between(rng, 2, 8) * HOUR
    end = back + HOUR
    c.times(lambda t: 0.0 if t0 <= t < back else 1.0, [c.main])

    def steps(r, who, now):
        for _ in range(r.randint(5, 25)):
            yield uneven(r, 4), "make", None, odds(r, s409=.05), between(r, 5, 60)
    twin(c, c.main, when=lambda r, a, b, env: iter([(back + r.uniform(0, 1500), i) for i in range(c.boxes)]), work=steps)
    c.label("ferry_landing", "benign", t0, end)


def new_numbers(c, rng, t0):
    """Objects get new numbers: the customer's own program goes over all of them by the old one, answered "moved", and by the new one; from then on it asks by the new ones only."""
    end = t0 + min(20 * HOUR, max(.5 * HOUR, c.things.n * 2 * uneven(rng, 3)))
    pause = (end - t0) / c.things.n / 2
    new = type(c.things)(rng, "pred" if c.things.style != "pred" else "ulid", c.things.n)

    def steps(r, now):
        for i in range(c.things.n):
            yield uneven(r, pause), "item", c.things.name(i), 301, 1
            yield r.uniform(.05, .4), "item", new.name(i), 200, 1
    c.story(rng, c.main.where, [c.tool], steps, t0, end)
    for b in c.base:
        twin(c, b, things=new, on=end)
        b.off = end
    c.label("new_numbers", "benign", t0, c.horizon)


def async_sdk(c, rng, t0):
    """The next version of the SDK, rolled out over a day or two: what was one call is handed in, asked after some times and fetched; the agent names the new version."""
    over = between(rng, 4, 40) * HOUR
    share = ramp(t0, over)
    agent = [a.rstrip("0123456789") + str(rng.randint(2, 9)) + ".0.0" for a in c.main.agents]
    names, usual = ["list"] if "list" in c.service.routes else [], c.main.work

    def work(r, who, now):
        for step in usual(r, who, now):
            yield step
            for _ in range(r.randint(0, 3)):
                yield .8, "item", None, None, .3
        if names and r.random() < .2:
            yield .5, names[0], None, None, 1
    c.main.factors.append(lambda t: 1 - share(t))
    twin(c, c.main, agents=agent, work=work, on=t0).factors[-1] = share
    c.label("async_sdk", "benign", t0, c.horizon)


def private_relay(c, rng, t0):
    """A new version of the telephones' system sends its users' calls through a content network: within days a quarter to a half come from there, many people behind each address."""
    relay = Gateway(rng, rng.choice(find("cdn", country="US")), 60)
    top, share = rng.uniform(.25, .5), ramp(t0, between(rng, 1, 4) * DAY)
    c.main.where = Partly(c.main.where, relay, lambda t: top * share(t))
    c.label("private_relay", "benign", t0, c.horizon)


def roving_exit(c, rng, t0, wd=0):
    """The office goes through a security service whose exit is in another city or country every few hours; people, programs and hours as ever."""
    t0 = c.workday(t0, 7, wd)
    kind = rng.choice(["cdn", "cloud", "vpn"])
    asn = rng.choice(find(kind)).asn
    hops = Hops(rng, [n for n in find(kind) if n.asn == asn], rng.choice([2, 4, 9, 24]))
    b = c.main
    twin(c, b, where=hops, on=t0)
    b.factors.append(lambda t: 0.0 if t >= t0 else 1.0)
    c.label("roving_exit", "benign", t0, c.horizon)


def onsale(c, rng, t0):
    """Tickets of the year go on sale: within two minutes fifteen to forty times the usual, seats taken before one's eyes, refusals and retries, over in an hour or two."""
    t0 = c.night(t0, 10)
    end, top = t0 + rng.uniform(1, 2.5) * HOUR, between(rng, 12, 40)
    errors = {409: rng.uniform(.05, .2), 423: rng.uniform(.05, .2), 429: rng.uniform(.02, .1)}
    for b in c.base[:1]:
        b.factors.append(lambda t: 0.0 if t0 <= t < end else 1.0)
        twin(c, b, errors=errors, on=t0, off=end).factors[-1] = lambda t: 1 + (top - 1) * max(.1, 1 - (t - t0) / (end - t0)) if t0 <= t < end else 0.0
    c.label("onsale", "benign", t0, end)


def soak_test(c, rng, t0):
    """Overnight, nobody told us: the customer's test rig, on fresh machines of its own cloud, drives three to eight times the usual with objects of its own or made up."""
    t0 = c.night(t0, 22)
    end = t0 + rng.uniform(5, 9) * HOUR
    pause = 1 / max(between(rng, .05, .4), c.per_day / DAY * rng.uniform(3, 8))

    def steps(r, now):
        while True:
            yield uneven(r, pause), r.choice(c.usual()), "load-%d" % r.randrange(400) if r.random() < .2 else None, odds(r, s404=.1, s429=.02), 1
    c.story(rng, Nodes(rng, c.cloud, rng.randint(2, 6), 30), ["k6/1.%d.0 (https://k6.io/)" % rng.randint(0, 5)], steps, t0, end)
    c.label("soak_test", "benign", t0, end)


def lock_contention(c, rng, t0):
    """Two deploys of the customer's own program fight for the same few objects: "locked" and "changed meanwhile" and again, with growing pauses, for half an hour or more."""
    end = t0 + between(rng, .4, 2) * HOUR
    names = [n for n in ("edit", "make") if n in c.service.routes][:1]

    def steps(r, now):
        hot = [c.things.pick(r, t0) for _ in range(4)]
        while True:
            thing = r.choice(hot)
            for k in range(r.randint(1, 6)):
                yield .5 * 2 ** k * r.uniform(.5, 1.5), names[0], thing, r.choice([423, 412, 409]), 1
            yield 1, names[0], thing, None, 1
    for _ in range(rng.randint(2, 5)):
        c.story(rng, c.main.where, [c.tool], steps, t0, end)
    c.label("lock_contention", "benign", t0, end)


def conformance_run(c, rng, t0, wd=0):
    """A partner is taken on: before it goes live, its system in the same country's cloud shows each call once or more, with the mistakes that the checklist asks for; from next day on it works."""
    t0 = c.workday(t0, rng.uniform(9, 14), wd)
    end = t0 + rng.uniform(.5, 2) * HOUR
    where, agent = Gateway(rng, c.strange(rng, "cloud", near=True), 2), [rng.choice(c.programs[0]) + " conformance"]

    def steps(r, now):
        for name in c.service.daily * 3:
            for status in (None, None, r.choice([400, 422, 404, 415])):
                yield uneven(r, 12), name, None, status, 1
    c.story(rng, where, agent, steps, t0, end)
    c.add(where, [agent[0][:-12]], flow(max(20, c.per_day * rng.uniform(.05, .5)), office(c.tz)), mixed(rng, c.usual()[:3], c.service, 2, 1), on=t0 + DAY)
    c.label("conformance_run", "benign", t0, c.horizon)


def cold_mirror(c, rng, t0):
    """A new mirror in the customer's own cloud fills itself at night: every object of the customer's own, once, in order, and from then on only what is new."""
    t0 = c.night(t0, rng.uniform(0, 4))
    end = t0 + between(rng, .5, 4) * HOUR
    n = min(c.things.n, 3000)
    where = Line(rng, c.cloud)
    routes = [x for x in ("item", "file") if x in c.service.routes]

    def steps(r, now):
        for i in range(n):
            for name in routes:
                yield uneven(r, (end - t0) / n / len(routes)), name, c.things.name(c.things.n - n + i), 200, 1
    c.story(rng, where, [c.tool], steps, t0, end)
    c.add(where, [c.tool], daily([3], c.tz), mixed(rng, routes, c.service, 15, 1), on=end)
    c.label("cold_mirror", "benign", t0, c.horizon)


def assistant_joins(c, rng, t0, wd=0):
    """The staff get an assistant that calls on their behalf from its vendor's cloud: bursts of reading, own objects, some clumsy calls, by office hours."""
    t0 = c.workday(t0, 9, wd)
    where = Runners([rng.choice(find("cloud", country="US", unlike=c.asns()))]) if rng.random() < .5 else Gateway(rng, rng.choice(find("cloud", country="US", unlike=c.asns())), 8)
    c.add(where, ["%s-mcp/1.%d" % (rng.choice(["assistant", "copilot", "helper"]), rng.randint(0, 9))], flow(max(4, min(40, c.per_day * .05)), office(c.tz)),
          mixed(rng, [n for n in c.usual() if c.service.routes[n].method == "GET"] or ["item"], c.service, 8, 2.5), errors={400: .06, 404: .03, 422: .02}, on=t0)
    c.label("assistant_joins", "benign", t0, c.horizon)


def fallback_polling(c, rng, t0):
    """Our notices do not arrive at the customer's: its program falls back to asking for each of its open things every quarter minute, mostly answered "not changed", until somebody mends it."""
    end = t0 + between(rng, 2, 20) * HOUR
    things = [c.things.pick(rng, t0) for _ in range(rng.randint(2, 9))]
    period = rng.choice([15, 20, 30, 60])

    def work(r, who, now):
        yield 0, "item", things[who % len(things)], 304 if r.random() < .9 else 200, 1
    c.add(c.main.where, [c.tool], timers(len(things), period), work, on=t0, off=end)
    c.label("fallback_polling", "benign", t0, end)


def key_checkup(c, rng, t0):
    """A service for keeping secrets asks once a day whether the key still works: one call, from a cloud, by a program of its own."""
    c.add(Runners(find("cloud", country="US", unlike=c.asns())[:2]), ["secret-inventory/%d.%d" % (rng.randint(1, 4), rng.randint(0, 9))], daily([rng.uniform(0, 24)], 0), mixed(rng, ["me"], c.service), on=t0)
    c.label("key_checkup", "benign", t0, c.horizon)


def queue_drained(c, rng, t0):
    """The customer's workers stood still over hours; then the queue is emptied by twice as many machines, five to fifteen times the pace, some of it known already."""
    back = t0 + between(rng, 1, 6) * HOUR
    end, top = back + between(rng, .5, 2) * HOUR, between(rng, 5, 15)
    c.without(t0, end)
    new = twin(c, c.main, errors={409: rng.uniform(.05, .3), 429: .02}, where=Nodes(rng, c.cloud, 8, 20), when=heaps(max(20, c.per_day * top / 6), 6, lambda t, wd: 1.0), on=back, off=end)
    new.factors = []
    c.label("queue_drained", "benign", t0, end)
