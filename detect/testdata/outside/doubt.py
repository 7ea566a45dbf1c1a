"""What somebody should look at, though the key may well stay on: from the log alone nobody can tell."""
from places import DAY, HOUR, Crowd, Machines, find, homes
from theft import act, away, between, maybe, night_of, tool, uneven
from traffic import Asks, Client, flat, hours, local


def busy(c, floor):
    return max(c.per_day, floor) / DAY


def daytime(c, t0, hour):
    """The next working day after t0 at a local hour."""
    t = night_of(c, t0, hour)
    while local(t, c.tz, c.wd)[1] >= 5:
        t += DAY
    return t


def key_in_page(c, rng, t0):
    """A key of servers is suddenly called from browsers at many homes: it got into a page. The users may be the customer's own, but the key is public from now on."""
    end = t0 + between(rng, 24, 60) * HOUR
    asks = Asks(rng, c.product, c.used()[:4], c.objects, {404: .02, 401: .01})
    c.add(Client(Crowd(rng, homes(c.country), 400, 1), c.p.browsers, asks, lambda t, wd: busy(c, 500) * (.6 + .4 * min(1, (t - t0) / DAY)), calls=4, pause=8, people=400, on=t0, off=end))
    c.label("key_in_page", "flag", t0, end)


def handed_round(c, rng, t0):
    """A key for one is used from eight to fifteen more homes of the same country with all sorts of programs, each some dozen calls a day: a class, a club, or a leak among friends."""
    end = t0 + between(rng, 40, 80) * HOUR
    for k in range(rng.randint(8, 15)):
        on = t0 + rng.uniform(0, 10) * HOUR if k else t0
        asks = Asks(rng, c.product, rng.sample(c.used(), max(1, len(c.used()) // 2)), c.objects, {400: .04, 404: .05})
        c.add(Client(Machines(rng, rng.choice(homes(c.country, c.asns()))), tool(c, rng, 0), asks, flat(between(rng, 30, 120) / DAY), calls=7, pause=10, noise=.6, on=on, off=end))
    c.label("handed_round", "flag", t0, end)


def colleague_copies_all(c, rng, t0):
    """From the customer's own office somebody fetches all of its objects with a script that was never used before. It may have been asked for, and it may not."""
    t0 = daytime(c, t0, rng.choice([11, 14, 16, 17]))
    end = t0 + between(rng, 1.5, 5) * HOUR
    pause = 1 / max(.4, 6 * busy(c, 200))

    def story(r, now):
        order = list(range(c.objects.n))
        for _ in range(50):
            for i in order:
                yield uneven(r, pause), "item", c.objects.name(i), maybe(r, .01, 404), 1
                if i % 40 == 0:
                    yield uneven(r, pause), "list", None, None, 1.5
    act(c, rng, c.office_line(rng), tool(c, rng, 0), story, t0, end)
    c.label("colleague_copies_all", "flag", t0, end)


def same_but_elsewhere(c, rng, t0):
    """From a rented machine abroad come the customer's own program, routes and objects at about its own pace: a new server, or a thief who has time."""
    end = t0 + between(rng, 20, 60) * HOUR
    net = rng.choice([n for n in find("vps", "vpn", unlike=c.asns()) if n.country != c.country])
    c.add(Client(Machines(rng, net, 1), [c.tool], c.main.asks, flat(busy(c, 400) * rng.uniform(.6, 1.2)), noise=.3, on=t0, off=end))
    c.label("same_but_elsewhere", "flag", t0, end)


def endless_loop(c, rng, t0):
    """One of the customer's own programs asks for the same thing again and again, thirty times its usual traffic, for hours: a mistake that costs."""
    end = t0 + between(rng, 2, 8) * HOUR
    pause = 1 / min(4, max(.5, 25 * busy(c, 100)))
    name, ident = rng.choice([n for n in c.main.asks.names]), c.objects.pick(rng)

    def story(r, now):
        while True:
            yield uneven(r, pause), name, ident, maybe(r, .02, 429), 1
    act(c, rng, c.main.where, c.main.agents[:1], story, t0, end)
    c.label("endless_loop", "flag", t0, end)


def against_the_wall(c, rng, t0):
    """The customer's own machines run into the limit of their plan and keep asking: half and more of all answers are 429, for most of a day."""
    end = t0 + between(rng, 8, 20) * HOUR
    asks = Asks(rng, c.product, c.main.asks.names, c.objects, {429: rng.uniform(.5, .8)}, weights=c.main.asks.weights)
    c.add(Client(c.main.where, c.main.agents, asks, flat(max(.15, 6 * busy(c, 300))), noise=.1, on=t0, off=end, retries=False))
    c.label("against_the_wall", "flag", t0, end)


def uninvited_test(c, rng, t0):
    """By office hours a security firm's machine tries the doors: strange routes, refusals, malformed calls. Perhaps the customer hired it; nobody told us."""
    t0 = daytime(c, t0, rng.choice([9, 10, 13]))
    end = t0 + between(rng, 3, 7) * HOUR
    agents = ["%s-scanner/%d.%d" % (c.word, rng.randint(1, 6), rng.randint(0, 9))] + [rng.choice(c.p.browsers)]

    def story(r, now):
        names = sorted(c.product.routes)
        while True:
            for _ in range(r.randint(5, 60)):
                yield uneven(r, 1.5), r.choice(names), None, r.choices([None, 400, 401, 403, 404, 422], [20, 25, 10, 20, 15, 10])[0], .6
            yield r.uniform(20, 900), "me", None, None, 1
    act(c, rng, Machines(rng, away(c, rng, "vps", "cloud", near=True), 1), agents, story, t0, end)
    c.label("uninvited_test", "flag", t0, end)


def growing_context(c, rng, t0):
    """The customer's own machines send ever longer prompts: ten to thirty times the tokens of a question within two days, till it is mended. A bug in keeping the history, most likely."""
    top, over = between(rng, 10, 30), between(rng, 14, 40) * HOUR
    end = t0 + over + 24 * HOUR
    call = c.main.call

    def longer(r, t, who, env, out, **k):
        at = len(out)
        done = call(r, t, who, env, out, **k)
        f = top ** min(1, (t - t0) / over) if t0 <= t < end else 1
        for i in range(at, len(out)):
            x = out[i]
            if f > 1 and x[7] and "input_tokens" in x[7]:
                out[i] = (*x[:6], int(x[6] * f), dict(x[7], input_tokens=int(x[7]["input_tokens"] * f)), *x[8:])
        return done
    c.main.call = longer
    c.label("growing_context", "flag", t0, end)


def abroad_by_night(c, rng, t0):
    """Two nights running somebody looks around with the customer's tool from a line in a far country, some dozens of calls with the account's pages among them."""
    first = night_of(c, t0, rng.choice([1, 2, 3]))
    net = rng.choice([n for n in homes(unlike=c.asns()) if n.country != c.country])
    where = Machines(rng, net, 1)
    for a in (first, first + DAY):
        def story(r, now):
            for _ in range(r.randint(30, 70)):
                yield uneven(r, 45), r.choice(c.used() + ["me", "usage", "members", "hooks"]), None, maybe(r, .05, 404), 1
        act(c, rng, where, [rng.choice(c.main.agents)], story, a, a + 2.5 * HOUR)
    c.label("abroad_by_night", "flag", first, first + DAY + 2.5 * HOUR)
