"""What customers change of their own accord: the same people, programs or routes go on, which is what the log shows in each case."""
import math

from parts import DAY, HOUR, ONE, Near, add, country, routes, s, scaled, swap  # noqa: F401


def early_shift(c, rng, t0, horizon):
    """The desk works at other hours for some days: same line, same tools, same calls."""
    end = min(t0 + rng.uniform(2, 5) * DAY, horizon)
    shift = rng.choice([-9, -8, -7, 5, 7, 9])
    swap(c, s.Profile(c.base.ips, c.base.agents, c.base.mix, lambda t: c.base.rate(t + shift * HOUR), c.base.noise), t0, end)
    c.label("early_shift", "benign", t0, end)


def spot_fleet(c, rng, t0, horizon):
    """The machines become cheap ones that live for minutes: fresh addresses of the same network, all else as ever."""
    swap(c, s.Profile(s.ThrowAway([c.base.ips.net], rng.randint(5, 60)), c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("spot_fleet", "benign", t0, horizon)


def roll_back(c, rng, t0, horizon):
    """A new version is out, back, and out again: two agent strings by turns from the same machines, the new one with one route more."""
    new = s.Profile(c.base.ips, [rng.choice([a for a in s.AGENTS[:12] if a not in c.base.agents])],
                    s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 1, 1), c.base.mix.errors, c.base.mix.ids), c.base.rate, c.base.noise)
    a = t0
    for _ in range(rng.randint(1, 3)):
        b = a + s.hours(rng, .5, 5)
        swap(c, new, a, b)
        a = b + s.hours(rng, 2, 9)
    if a < horizon:
        swap(c, new, a, horizon)
    c.label("roll_back", "benign", t0, horizon)


def follow_the_sun(c, rng, t0, horizon):
    """Whoever is awake serves: three regions by turns, eight hours each, the same program, routes and objects."""
    for n, away in enumerate(rng.sample(s.nets("cloud"), 2)):
        ips = s.FixedIPs(rng, away, rng.randint(2, 5))
        part = (lambda n: lambda t: 1.0 if int(t // (8 * HOUR)) % 3 == n else 0.0)(n)
        add(c, s.Profile(ips, c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon, part)
    scaled(c, lambda t: 0.0 if t >= t0 and int(t // (8 * HOUR)) % 3 < 2 else 1.0)
    c.label("follow_the_sun", "benign", t0, horizon)


def roaming_holidays(c, rng, t0, horizon):
    """School is out: a fifth to a half of the app's users call from the beaches of some other countries, for days, on the same versions of the app."""
    end, part = min(t0 + rng.uniform(3, 7) * DAY, horizon), rng.uniform(.2, .5)
    places = rng.sample(s.nets(["isp", "mobile"], not_country=[c.home]), rng.randint(3, 8))
    rise = lambda t: part * min(1.0, max(0.0, (t - t0) / DAY)) if t < end else 0.0  # noqa: E731
    users = s.Population(rng, places, max(20, int(c.base.ips.size * part)))
    add(c, s.Profile(users, c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, end, rise)
    scaled(c, lambda t: 1 - rise(t) if t >= t0 else 1.0)
    c.label("roaming_holidays", "benign", t0, end)


def cron_split(c, rng, t0, horizon):
    """The job is cut into small ones that run every half hour or two, at other minutes: same machine, calls and sum of the day."""
    period = rng.choice([1800, 3600, 7200])
    swap(c, s.Profile(c.base.ips, c.base.agents, c.base.mix, s.cron(c.mean_rate(), period, s.SLOT, rng.randrange(0, period, s.SLOT)), c.base.noise), t0, horizon)
    c.label("cron_split", "benign", t0, horizon)


def cache_flush(c, rng, t0, horizon):
    """The customer's cache is emptied: five to twenty times the reads of its own objects at once, half as many every quarter of an hour or so."""
    top, half = rng.uniform(5, 20), rng.uniform(600, 3000)
    end = t0 + half * 6
    scaled(c, lambda t: 1 + (top - 1) * math.exp(-(t - t0) / half) if t0 <= t < end else 1.0)
    c.label("cache_flush", "benign", t0, end)


def stale_links(c, rng, t0, horizon):
    """Objects were tidied up on the customer's side: for a day every third answer is "not found" or "gone", from the usual machines for the usual objects."""
    end = min(t0 + s.hours(rng, 8, 40), horizon)
    errors = {**c.base.mix.errors, 404: rng.uniform(.15, .4), 410: rng.uniform(.02, .1)}
    mix = s.Mix(rng, c.base.mix.routes, errors, c.base.mix.ids)
    mix.weights = c.base.mix.weights
    swap(c, s.Profile(c.base.ips, c.base.agents, mix, c.base.rate, c.base.noise), t0, end)
    c.label("stale_links", "benign", t0, end)


def stadium(c, rng, t0, horizon):
    """A match: for some hours a good part of the app's users sit in one place, behind a few addresses of one carrier, and use it more than ever."""
    end, more = t0 + s.hours(rng, 2, 5), rng.uniform(.5, 3)
    net = rng.choice(s.nets(["mobile", "isp"], country=c.home) or s.nets("mobile"))
    add(c, s.Profile(s.FixedIPs(rng, net, rng.randint(2, 8)), c.base.agents, c.base.mix, lambda t: c.base.rate(t) * more, c.base.noise), t0, end)
    c.label("stadium", "benign", t0, end)


def office_move(c, rng, t0, horizon):
    """The office moves over a weekend or a night: another provider of the country for good, the same tools and people."""
    net = rng.choice([n for n in country(c) if n["asn"] not in c.own_asns()] or s.nets("isp"))
    swap(c, s.Profile(s.FixedIPs(rng, net, rng.randint(1, 3)), c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("office_move", "benign", t0, horizon)


def nat_gateway(c, rng, t0, horizon):
    """All machines leave through one or two addresses of the same network from now on; the gateway adds its name to the agent string."""
    agents = [a + " " + rng.choice(["via-egress/1.2", "(gateway)", "sdk-proxy/0.9"]) for a in c.base.agents]
    swap(c, s.Profile(s.FixedIPs(rng, c.base.ips.net, rng.randint(1, 2)), agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("nat_gateway", "benign", t0, horizon)


def dormant_smoke(c, rng, t0, horizon):
    """A forgotten project gets a nightly check by its owner: the old machine and program, a dozen of the old calls at the same minute each day."""
    mix = s.Mix(rng, c.base.mix.routes, c.base.mix.errors, c.base.mix.ids)
    start = t0 - t0 % s.SLOT
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.cron(rng.uniform(8, 40) / DAY, DAY, s.SLOT, start % DAY), .1), start, horizon)
    c.label("dormant_smoke", "benign", start, horizon)


EPISODES = {
    "early_shift": (early_shift, ("desk",)), "spot_fleet": (spot_fleet, ("server", "llm")), "roll_back": (roll_back, ("server", "fleet", "llm")),
    "follow_the_sun": (follow_the_sun, ("server", "fleet")), "roaming_holidays": (roaming_holidays, ("mobile",)), "cron_split": (cron_split, ("cron",)),
    "cache_flush": (cache_flush, ("server", "fleet", "mobile")), "stale_links": (stale_links, ("server", "mobile", "fleet")), "stadium": (stadium, ("mobile",)),
    "office_move": (office_move, ("desk",)), "nat_gateway": (nat_gateway, ("fleet", "server", "cron")), "dormant_smoke": (dormant_smoke, ("dormant",)),
}
