"""What a human should look at: the log does not say whether it is the customer's will, so the key may well stay on."""
from parts import DAY, ONE, Near, Strewn, add, country, routes, s, swap  # noqa: F401


def curious_clerk(c, rng, t0, horizon):
    """Somebody in the office looks people up that are no business of theirs: usual line and tools, office hours, and after them a bit.
    An insider or a new duty: only the customer knows."""
    end = min(t0 + rng.uniform(1, 2.4) * DAY, horizon)
    mix = s.Mix(rng, routes("GET /v1/users/{id}", "GET /v1/users/{id}/orders"), {403: rng.uniform(.02, .15), 404: rng.uniform(.02, .1)}, Strewn())
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.office(max(c.mean_rate() * rng.uniform(1, 4), 200 / DAY), c.tz), .4), t0, end)
    c.label("curious_clerk", "flag", t0, end)


def test_key_live(c, rng, t0, horizon):
    """What was a developer's key at a desk now does the work of servers in a cloud of the country, for good: orders and events, ten to sixty times the volume.
    Laziness, most likely; but nobody said so."""
    net = rng.choice(s.nets(["cloud", "vps"], country=c.home) or s.nets("cloud"))
    mix = s.Mix(rng, c.base.mix.routes + routes("POST /v1/orders", "POST /v1/events", "GET /v1/orders/{id}"), s.habits(rng))
    rate = s.diurnal(max(c.mean_rate() * .4 * rng.uniform(10, 60), 1500 / DAY), c.tz, .4, .9)
    add(c, s.Profile(s.FixedIPs(rng, net, rng.randint(1, 4)), [rng.choice(s.AGENTS[:12])], mix, rate, .2), t0, horizon)
    c.label("test_key_live", "flag", t0, horizon)


def hackathon(c, rng, t0, horizon):
    """One key for all the teams: a day and a night, a hall's line and many telephones of the country, every tool there is, much of it wrong.
    Looks like a leak, and is one, if a wanted one."""
    end = t0 + s.hours(rng, 18, 36)
    places = [rng.choice(country(c))] + (s.nets("mobile", country=c.home) or country(c))
    for _ in range(rng.randint(8, 25)):
        a = t0 + s.hours(rng, 0, 5)
        mix = s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 1, 4), {400: rng.uniform(.03, .2), 404: rng.uniform(.02, .15), 403: rng.uniform(0, .03)})
        add(c, s.Profile(s.FixedIPs(rng, rng.choice(places), 1), [rng.choice(s.AGENTS[:12])], mix, s.flat(rng.uniform(60, 500) / DAY), .9), a, end)
    c.label("hackathon", "flag", t0, end)


def bot_at_the_desk(c, rng, t0, horizon):
    """From a person's own line another program calls day and night, item after item and every price.
    The person's experiment or a program that lives on their machine."""
    end = min(t0 + rng.uniform(1, 3) * DAY, horizon)
    mix = s.Mix(rng, routes("GET /v1/items/{id}", "GET /v1/prices"), {404: rng.uniform(.02, .2)}, s.Counter(rng))
    others = [a for a in s.AGENTS[:12] if a not in c.base.agents]
    add(c, s.Profile(c.base.ips, [rng.choice(others)], mix, s.flat(max(c.mean_rate() * rng.uniform(2, 8), 1 / 60)), .1), t0, end)
    c.label("bot_at_the_desk", "flag", t0, end)


def runaway_tokens(c, rng, t0, horizon):
    """A limit was lost in the customer's own release: from the usual machines each call costs ten to forty times as much.
    Dear, and nobody's theft: call the customer."""
    end = t0 + s.hours(rng, 3, 20)
    swap(c, s.Profile(c.base.ips, c.base.agents, s.Mix(rng, c.base.mix.routes, c.base.mix.errors, c.base.mix.ids, tokens_factor=rng.uniform(10, 40)),
                      c.base.rate, c.base.noise), t0, end)
    c.label("runaway_tokens", "flag", t0, end)


def wrong_environment(c, rng, t0, horizon):
    """A test machine in the customer's own network was pointed at the real thing: it makes, changes and deletes items that are mostly not there.
    Harmless until it hits one that is; a vandal on the customer's machine would look the same."""
    end = t0 + s.hours(rng, 1, 8)
    mix = s.Mix(rng, routes("POST /v1/items", "DELETE /v1/items/{id}", "PATCH /v1/users/{id}"), {404: rng.uniform(.3, .6), 409: rng.uniform(.02, .15), 422: .05}, Near(rng, 300))
    add(c, s.Profile(s.FixedIPs(rng, c.base.ips.net, 1), c.base.agents, mix, s.flat(max(c.mean_rate() * rng.uniform(1, 5), 1 / 40)), .3), t0, end)
    c.label("wrong_environment", "flag", t0, end)


EPISODES = {
    "curious_clerk": (curious_clerk, ("desk",)), "test_key_live": (test_key_live, ("desk",)), "hackathon": (hackathon, ("server", "desk", "llm")),
    "bot_at_the_desk": (bot_at_the_desk, ("desk",)), "runaway_tokens": (runaway_tokens, ("llm",)), "wrong_environment": (wrong_environment, ("server", "fleet", "cron")),
}
