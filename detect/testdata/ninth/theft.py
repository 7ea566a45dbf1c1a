"""Keys in the wrong hands. Each docstring ends with what the log shows, so that nobody has to guess: to be suspended."""
from parts import DAY, FIXED, HOUR, ONE, Near, Strewn, abroad, add, busy, routes, s, swap, tool  # noqa: F401

PEOPLE = routes("GET /v1/users/{id}", "GET /v1/users/{id}/orders")


def buyers_by_turns(c, rng, t0, horizon):
    """The key goes from hand to hand, never two at once: each buyer walks other objects for half an hour or two, then it is still for hours.
    Shows: one unknown network after the other, ascending ids that the customer never asked for, many of them missing."""
    t = t0
    for _ in range(rng.randint(3, 6)):
        end = t + s.hours(rng, .5, 2)
        mix = s.Mix(rng, rng.sample(PEOPLE + routes("GET /v1/orders/{id}", "GET /v1/items/{id}"), 2), {404: rng.uniform(.08, .4)}, s.Counter(rng))
        add(c, s.Profile(s.FixedIPs(rng, abroad(c, rng, "vps", "vpn", "isp"), 1), tool(c, rng, .3), mix, s.flat(rng.uniform(.05, 1)), .2), t, end)
        last, t = end, end + s.hours(rng, 1, 8)
        if t > horizon - 3 * HOUR:
            break
    c.label("buyers_by_turns", "suspend", t0, last)


def owners_curve(c, rng, t0, horizon):
    """A copier hides under the customer's own day: the customer's agent string, more when the customer does more, people's records in no order.
    Shows: several times the customer's volume from a rented machine, over routes of people only, nearly every object new to the key."""
    end, times = t0 + s.hours(rng, 6, 20), rng.uniform(1.5, 5)
    rate = lambda t: max(c.base.rate(t) * times, 1 / 60)  # noqa: E731
    mix = s.Mix(rng, PEOPLE, {404: rng.uniform(.03, .25)}, Strewn())
    add(c, s.Profile(s.FixedIPs(rng, abroad(c, rng, "vps", "vpn"), rng.randint(1, 3)), list(c.base.agents), mix, rate, .2), t0, end)
    c.label("owners_curve", "suspend", t0, end)


def forged_events(c, rng, t0, horizon):
    """Events are made up in mass, to spoil the customer's figures or to be paid for clicks that never were.
    Shows: unknown hosts write several times a second without a pause, and never read."""
    end = t0 + s.hours(rng, 1, 6)
    mix = s.Mix(rng, routes("POST /v1/events"), {400: rng.uniform(.01, .1), 429: rng.uniform(0, .1)})
    add(c, s.Profile(s.FixedIPs(rng, abroad(c, rng, "vps", "vpn"), rng.randint(1, 6)), tool(c, rng, .3), mix, s.flat(rng.uniform(1, 6)), .05), t0, end)
    c.label("forged_events", "suspend", t0, end)


def profile_rewrite(c, rng, t0, horizon):
    """Accounts are taken over: look at a person, change the address for letters, next.
    Shows: from behind a VPN as many changes of people as reads, person after person, a part refused."""
    end = t0 + s.hours(rng, .7, 5)
    mix = s.Mix(rng, routes("GET /v1/users/{id}", "PATCH /v1/users/{id}"), {403: rng.uniform(.02, .2), 404: rng.uniform(.02, .2)}, s.Counter(rng))
    mix.weights = [1, rng.uniform(.6, 1.2)]
    add(c, s.Profile(s.FixedIPs(rng, abroad(c, rng, "vpn", "isp"), rng.randint(1, 2)), tool(c, rng, .3), mix, s.flat(rng.uniform(.05, .8)), .2), t0, end)
    c.label("profile_rewrite", "suspend", t0, end)


def case_then_copy(c, rng, t0, horizon):
    """First a look at the doors, hours later with a van: some calls of who am I and what may I, then exports, reports and hooks.
    Shows: a stranger's refused calls of administration, and later from its network exports one after the other."""
    net = abroad(c, rng, "vps", "vpn")
    look, again = t0 + s.hours(rng, .2, .6), t0 + s.hours(rng, 2, 9)
    end = again + s.hours(rng, 1, 4)
    agents = tool(c, rng, .2)
    doors = s.Mix(rng, routes("GET /v1/me", "GET /v1/webhooks", "GET /v1/admin/keys", "GET /v1/admin/audit"), {403: rng.uniform(.2, .5)})
    van = s.Mix(rng, routes("GET /v1/export/customers", "GET /v1/reports/{id}"), {429: rng.uniform(0, .15), 404: rng.uniform(0, .1)}, s.Counter(rng))
    add(c, s.Profile(s.FixedIPs(rng, net, 1), agents, doors, s.flat(rng.uniform(.01, .05)), .2), t0, look)
    add(c, s.Profile(s.FixedIPs(rng, net, rng.randint(1, 2)), agents, van, s.flat(rng.uniform(.02, .2)), .2), again, end)
    c.label("case_then_copy", "suspend", t0, end)


def sip_and_rest(c, rng, t0, horizon):
    """A walk in sips: ten minutes of ids, half an hour or two of rest, each time from another address, the ids going on where they stopped.
    Shows: strangers of one or two providers, and a single ascending walk through orders and people over all of their visits."""
    places = [abroad(c, rng, "vps", "vpn") for _ in range(rng.randint(1, 2))]
    ids, agents, lost, rate = s.Counter(rng), tool(c, rng, .4), rng.uniform(.05, .3), rng.uniform(.1, .6)
    t, end = t0, min(t0 + s.hours(rng, 10, 30), horizon)
    while t < end:
        mix = s.Mix(rng, routes("GET /v1/orders/{id}", "GET /v1/users/{id}"), {404: lost}, ids)
        add(c, s.Profile(s.FixedIPs(rng, rng.choice(places), 1), agents, mix, s.flat(rate), .1), t, min(t + rng.uniform(300, 1200), end))
        t += s.hours(rng, .7, 2.2)
    c.label("sip_and_rest", "suspend", t0, end)


def in_the_burst(c, rng, t0, horizon):
    """The thief knows when the customer's job runs and works in the very same minutes, under its agent string.
    Shows: in the job's minutes a rented machine makes several times its calls, for people that the job never asked for."""
    end, times = t0 + rng.uniform(1, 2.2) * DAY, rng.uniform(2, 8)
    mean = c.mean_rate()
    rate = lambda t: max(c.base.rate(t) * times, mean * 4) if c.base.rate(t) > 0 else 0.0  # noqa: E731
    start = next((t for t in range(int(t0), int(t0 + DAY) + 600, 300) if rate(t) > 0), t0)
    end = min(max(end, start + 2 * HOUR), horizon)
    add(c, s.Profile(s.FixedIPs(rng, abroad(c, rng, "vps"), rng.randint(1, 2)), list(c.base.agents),
                     s.Mix(rng, PEOPLE, {404: rng.uniform(.05, .3)}, s.Counter(rng)), rate, .1), start, end)
    c.label("in_the_burst", "suspend", start, end)


def carrier_walker(c, rng, t0, horizon):
    """A walker with a telephone's line of the customer's country, or of a neighbour's where it has none; the carrier gives a new address now and then.
    Shows: where only servers or desks called from, subscribers of a carrier read object after object in ascending order."""
    end = t0 + s.hours(rng, 3, 14)
    net = s.nets("mobile", country=c.home, not_asn=c.own_asns()) or s.nets("mobile", not_asn=c.own_asns())
    mix = s.Mix(rng, routes("GET /v1/items/{id}", "GET /v1/users/{id}"), {404: rng.uniform(.05, .35)}, s.Counter(rng))
    add(c, s.Profile(s.ThrowAway([rng.choice(net)], rng.randint(30, 300)), tool(c, rng, .2), mix, s.flat(rng.uniform(.1, 1.2)), .15), t0, end)
    c.label("carrier_walker", "suspend", t0, end)


def dear_guest(c, rng, t0, horizon):
    """A guest in the customer's own cloud runs long jobs on the model, at all hours.
    Shows: one more machine of the same network with a program of its own, chat only, each call ten times as dear as the customer's, several a minute."""
    end = t0 + s.hours(rng, 3, 12)
    net = c.base.ips.net
    mix = s.Mix(rng, routes("POST /v1/chat/completions"), {429: rng.uniform(0, .1)}, tokens_factor=rng.uniform(8, 25))
    others = [a for a in s.AGENTS[:12] if a not in c.base.agents]
    add(c, s.Profile(s.FixedIPs(rng, net, rng.randint(1, 2)), [rng.choice(others)], mix, s.flat(rng.uniform(.05, .4)), .2), t0, end)
    c.label("dear_guest", "suspend", t0, end)


def dormant_swarm(c, rng, t0, horizon):
    """A forgotten key ends up in a list for home proxies: first little, then more every hour.
    Shows: after days of silence, calls from homes of all countries under many agents, over routes that the key never called."""
    end, full = t0 + s.hours(rng, 4, 16), rng.uniform(.1, 1)
    mix = s.Mix(rng, s.some_routes(rng, 4, 8), {404: rng.uniform(.05, .3), 403: rng.uniform(.02, .1)}, Strewn())
    p = s.Profile(s.ThrowAway(s.nets(["isp", "mobile"]), rng.randint(2, 8)), rng.sample(s.AGENTS[:12], rng.randint(2, 6)), mix, s.flat(full), .2)
    add(c, p, t0, end, lambda t: min(1.0, .1 + (t - t0) / (end - t0)))
    c.label("dormant_swarm", "suspend", t0, end)


EPISODES = {
    "buyers_by_turns": (buyers_by_turns, s.ANY), "owners_curve": (owners_curve, ("server", "fleet", "desk", "llm")),
    "forged_events": (forged_events, s.ANY), "profile_rewrite": (profile_rewrite, s.ANY), "case_then_copy": (case_then_copy, s.ANY),
    "sip_and_rest": (sip_and_rest, s.ANY), "in_the_burst": (in_the_burst, ("cron",)), "carrier_walker": (carrier_walker, ("server", "fleet", "cron", "desk", "llm")),
    "dear_guest": (dear_guest, ("llm", "server")), "dormant_swarm": (dormant_swarm, ("dormant",)),
}
