"""What somebody should look at, while the key may well stay on: the log does not say whose doing it is."""
from places import DAY, HOUR, Line, find
from theft import between, odds, uneven


def poisoned_ticket(c, rng, t0):
    """A ticket tells the customer's assistant what to do, and it obeys: from the usual machine all tables are listed and some read, which it never did, and a long note is written back. Once to three times."""
    at, start = t0, t0
    for _ in range(rng.randint(1, 3)):
        def steps(r, now):
            yield 0, "item", None, None, 1
            yield 4, "tables", None, None, 1
            for _ in range(r.randint(5, 25)):
                yield uneven(r, 5), "rows", None, odds(r, s403=.1), 1
            yield 6, "note", None, None, between(r, 30, 200)
        c.story(rng, Line(rng, c.cloud, ips=[c.main.where.pick(rng, at, 3)]), [c.main.agents[0]], steps, at, at + HOUR)
        end = at + .5 * HOUR
        at += between(rng, .6, 8) * HOUR
    c.label("poisoned_ticket", "flag", start, end)


def pooled_seat(c, rng, t0):
    """One seat is sold to many: six to fourteen people in as many countries, all with the official program, each a few visits a day, around the clock."""
    end = t0 + between(rng, 1.5, 4) * DAY
    for net in rng.sample(find("isp", "mobile", abroad=c.country), rng.randint(6, 14)):
        def steps(r, now):
            while True:
                yield between(r, .5, 12) * HOUR, r.choice(c.usual()), None, None, 1
                for _ in range(r.randint(3, 18)):
                    yield uneven(r, 25), r.choice(c.usual()), c.others(r) if r.random() < .3 else None, odds(r, s404=.02, s422=.03), 1
        c.story(rng, Line(rng, net), [c.tool], steps, rng.uniform(t0, t0 + .3 * (end - t0)), end)
    c.label("pooled_seat", "flag", t0, end)


def leaving_seller(c, rng, t0, wd=0):
    """Before he leaves, one of the office reads what he never needed: for days, by office hours and a bit after, from the usual line and program, some hundred old records a day."""
    t0 = c.workday(t0, 9.5, wd)
    end, also = t0, "query" if "query" in c.service.routes else "cover"
    for d in range(rng.randint(2, 4)):
        a = t0 + d * DAY
        end = a + rng.uniform(7, 10) * HOUR
        pause = 9 * HOUR / between(rng, 150, 700)

        def steps(r, now):
            while True:
                yield uneven(r, pause), r.choice(["item", "item", also]), c.things.seldom(r), None, 1
        c.story(rng, c.main.where, [c.main.agents[0]], steps, a, end)
    c.label("leaving_seller", "flag", t0, end)


def tainted_step(c, rng, t0, wd=0):
    """A step that the pipelines take from elsewhere was changed: each run, on its usual kind of machine, now also asks for tokens, secrets and members; half is refused."""
    t0 = c.workday(t0, 9, wd)
    end = t0 + between(rng, 20, 40) * HOUR
    usual = c.main.work

    def work(r, who, now):
        yield from usual(r, who, now)
        if t0 <= now() < end:
            for name in r.sample(["me", "keys", "secrets", "members", "hooks"], r.randint(3, 5)):
                yield r.uniform(.1, .5), name, None, odds(r, s403=.5), 1
    c.main.work = work
    c.label("tainted_step", "flag", t0, end)


def own_pentest(c, rng, t0, wd=0):
    """A tester sits in the customer's own office, by office hours, with a proxy between: doors that nobody uses, malformed calls, other people's objects. Ordered, most likely, and nobody told us."""
    t0 = c.workday(t0, rng.uniform(9, 11), wd)
    end = t0 + rng.uniform(3, 7) * HOUR
    paths = ["admin", ".env", "api-docs", "swagger-ui/index.html", "graphql", "debug", "console", ".git/HEAD", "users?limit=1%27", "search?q=%3Cscript%3E", "health", "internal/metrics", "v0/users"]

    def steps(r, now):
        while True:
            x = r.random()
            if x < .45:
                yield uneven(r, 5), "odd", r.choice(paths) + r.choice(["", "/", "?id=1%20or%201=1", "~"]), r.choice([404, 404, 403, 400, 405]), 1
            elif x < .6:
                yield uneven(r, 5), r.choice(["keys", "secrets", "members", "audit", "hooks"]), None, odds(r, s403=.7), 1
            else:
                yield uneven(r, 5), r.choice(c.usual()), c.others(r) if r.random() < .5 else None, odds(r, s400=.3, s403=.2, s404=.2, s422=.1), 1
    line = next((b.where for b in c.base if c.isp in b.where.nets), None) or Line(rng, c.isp)
    c.story(rng, line, [c.programs[2][0]], steps, t0, end)
    c.label("own_pentest", "flag", t0, end)
