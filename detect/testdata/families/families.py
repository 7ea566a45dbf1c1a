#!/usr/bin/env python3
"""Episode families of our own, on the customers and networks of the shared scenario generator.

    TOLLKEEPER_SHARED=../shared families.py --seed 7 --out DIR [as scenario.py]

They exist to check that detection has learnt what customers and thieves do, and not the shared families. `expect` means what it means in scenario.py. Where an honest reader
of the log could not say which it is (a penetration test, a bulk synchronisation by a new client), the label is `flag`: a
suspension is then neither right nor wrong.
"""
import math
import os
import random
import sys

SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), *[".."] * 4, "shared")
sys.path.insert(0, os.path.join(SHARED, "scenarios"))
import scenario as s  # noqa: E402

DAY, ONE = s.DAY, s.ONE
USER, ORDER, ITEM = (s.BY_PATH[("GET", p)] for p in ("/v1/users/{id}", "/v1/orders/{id}", "/v1/items/{id}"))


class Slow:
    """Ascending ids with gaps that vary."""

    def __init__(self, rng, gap, down=False):
        self.n, self.gap, self.sign = rng.randint(400_000, 1_500_000), gap, -1 if down else 1

    def pick(self, rng):
        self.n += self.sign * rng.randint(1, self.gap)
        return self.n


class Workers:
    """Several walkers at once, each in a range of its own."""

    def __init__(self, rng, n, down=False):
        self.all = [Slow(rng, 2, down) for _ in range(n)]

    def pick(self, rng):
        return rng.choice(self.all).pick(rng)


class Shuffled:
    """Every id of a range once, in random order."""

    def __init__(self, rng, size=20000):
        start = rng.randint(1, 1_500_000)
        self.left = list(range(start, start + size))
        rng.shuffle(self.left)

    def pick(self, rng):
        return self.left.pop() if self.left else 0


class Rotating:
    """A new address of the same few networks every `per` requests."""

    def __init__(self, rng, networks, per):
        self.networks, self.per, self.left, self.ip = networks, per, 0, None

    def pick(self, rng):
        if self.left <= 0:
            self.ip, self.left = s.ip_in(rng, rng.choice(self.networks)), rng.randint(1, 2 * self.per)
        self.left -= 1
        return self.ip


def foreign(c, rng, kinds=("vps", "vpn")):
    return rng.choice(s.nets(list(kinds), not_asn=c.own_asns()))


def same_cloud(c, rng):
    """Other machines of the network that the customer uses."""
    net = getattr(c.base.ips, "net", None)
    return net if net else foreign(c, rng)


def agents(c, rng):
    return list(c.base.agents) if rng.random() < 0.5 else [rng.choice(s.AGENTS[:12])]


def add(c, profile, start, end, factor=ONE):
    c.segments.append((profile, start, end, factor))


# ------------------------------------------------------------------------------------------------ theft and abuse
def own_cloud_walk(c, rng, t0, horizon):
    """Slow id walk from the customer's own cloud with the customer's own agent."""
    end = t0 + s.hours(rng, 4, 20)
    mix = s.Mix(rng, [rng.choice([USER, ORDER, ITEM])], {404: rng.uniform(.02, .3)}, Slow(rng, rng.choice([2, 8, 40])))
    add(c, s.Profile(s.FixedIPs(rng, same_cloud(c, rng), 1), c.base.agents, mix, s.flat(rng.uniform(1 / 90, 1 / 15)), .1), t0, end)
    c.label("own_cloud_walk", "suspend", t0, end)


def walk_down(c, rng, t0, horizon):
    """Four workers, newest objects first."""
    end = t0 + s.hours(rng, 1, 5)
    mix = s.Mix(rng, [USER, ORDER], {404: rng.uniform(.0, .1)}, Workers(rng, rng.randint(2, 4), down=True))
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng), 2), agents(c, rng), mix, s.flat(rng.uniform(.3, 3)), .1), t0, end)
    c.label("walk_down", "suspend", t0, end)


def shuffled_scrape(c, rng, t0, horizon):
    """Ids of a range in random order, fast."""
    end = t0 + s.hours(rng, 1, 4)
    mix = s.Mix(rng, [USER, ORDER], {404: rng.uniform(.1, .4)}, Shuffled(rng))
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng), 1), agents(c, rng), mix, s.flat(rng.uniform(.5, 3)), .1), t0, end)
    c.label("shuffled_scrape", "suspend", t0, end)


def rotating_scrape(c, rng, t0, horizon):
    """Ids from rented servers that change address every few requests."""
    end = t0 + s.hours(rng, 1, 5)
    mix = s.Mix(rng, [USER, ORDER, ITEM], {404: rng.uniform(.02, .2)}, s.Counter(rng))
    ips = Rotating(rng, rng.sample(s.nets(["vps", "vpn"], not_asn=c.own_asns()), 3), 15)
    add(c, s.Profile(ips, agents(c, rng), mix, s.flat(rng.uniform(.3, 3)), .1), t0, end)
    c.label("rotating_scrape", "suspend", t0, end)


def many_small_calls(c, rng, t0, horizon):
    """Resold model access: ordinary calls, very many."""
    end = t0 + s.hours(rng, 2, 8)
    mix = s.Mix(rng, [s.BY_PATH[("POST", "/v1/chat/completions")], s.BY_PATH[("POST", "/v1/embeddings")]], {429: rng.uniform(0, .1)})
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng, ("vps", "vpn", "isp")), 2), agents(c, rng), mix, s.flat(rng.uniform(.5, 3)), .2), t0, end)
    c.label("many_small_calls", "suspend", t0, end)


def slow_probe(c, rng, t0, horizon):
    """What does this key open? One try every minute or two."""
    end = t0 + s.hours(rng, 3, 10)
    mix = s.Mix(rng, s.ROUTES, {403: rng.uniform(.3, .6), 404: rng.uniform(.1, .2)}, s.Ids(rng))
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng, ("vps", "vpn", "isp")), 1), agents(c, rng), mix, s.flat(rng.uniform(1 / 120, 1 / 30)), .1), t0, end)
    c.label("slow_probe", "suspend", t0, end)


def ransom(c, rng, t0, horizon):
    """Objects are changed and deleted one after the other."""
    end = t0 + s.hours(rng, .5, 3)
    mix = s.Mix(rng, [s.BY_PATH[("DELETE", "/v1/items/{id}")], s.BY_PATH[("PATCH", "/v1/users/{id}")]], {404: rng.uniform(.05, .3), 403: rng.uniform(0, .1)}, s.Counter(rng))
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng), 1), agents(c, rng), mix, s.flat(rng.uniform(.2, 2)), .1), t0, end)
    c.label("ransom", "suspend", t0, end)


def bulk_theft(c, rng, t0, horizon):
    """Reports and exports leave for a rented server."""
    end = t0 + s.hours(rng, 1, 4)
    mix = s.Mix(rng, [s.BY_PATH[("GET", "/v1/export/customers")], s.BY_PATH[("GET", "/v1/reports/{id}")]], {}, s.Counter(rng), bytes_factor=2)
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng), 1), agents(c, rng), mix, s.flat(rng.uniform(.05, .5)), .1), t0, end)
    c.label("bulk_theft", "suspend", t0, end)


def handed_over(c, rng, t0, horizon):
    """The key is given to somebody in another country, who uses it beside the owner at about the owner's pace."""
    end = min(t0 + rng.uniform(1, 3) * DAY, horizon)
    net = rng.choice(s.nets("isp", not_country=[c.home]))
    mix = s.Mix(rng, c.base.mix.routes, s.habits(rng))
    add(c, s.Profile(s.FixedIPs(rng, net, 2), [rng.choice(s.AGENTS[:12])], mix, s.office(max(c.mean_rate() * .6, 60 / DAY), 8), .5), t0, end)
    c.label("handed_over", "flag", t0, end)


def pentest(c, rng, t0, horizon):
    """A test that the customer ordered: looks like an attack, and should."""
    end = t0 + s.hours(rng, 1, 6)
    mix = s.Mix(rng, s.ROUTES, {403: .3, 404: .3, 400: .1}, s.Counter(rng))
    add(c, s.Profile(s.FixedIPs(rng, foreign(c, rng, ("vps", "isp")), 1), [rng.choice(s.AGENTS[:12])], mix, s.flat(rng.uniform(.2, 1)), .1), t0, end)
    c.label("pentest", "flag", t0, end)


def bulk_sync(c, rng, t0, horizon):
    """A warehouse connector, new cloud, reads everything once in order of id."""
    end = t0 + s.hours(rng, 1, 4)
    net = rng.choice(s.nets("cloud", not_asn=c.own_asns()))
    mix = s.Mix(rng, c.base.mix.routes, s.habits(rng), s.Counter(rng))
    add(c, s.Profile(s.FixedIPs(rng, net, 2), [rng.choice(s.AGENTS[:12])], mix, s.flat(rng.uniform(.2, 1)), .1), t0, end)
    c.label("bulk_sync", "flag", t0, end)


def report_binge(c, rng, t0, horizon):
    """From the usual desk: all reports in an evening."""
    end = t0 + s.hours(rng, 1, 3)
    mix = s.Mix(rng, [s.BY_PATH[("GET", "/v1/reports/{id}")]], {}, s.Counter(rng), bytes_factor=4)
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.flat(rng.uniform(.15, .8)), .1), t0, end)
    c.label("report_binge", "flag", t0, end)


# ------------------------------------------------------------------------------------------------ customers who change
def ci_runners(c, rng, t0, horizon):
    """From now on tests run in a hosted CI: every job on another machine of one of the big clouds."""
    ips = Rotating(rng, rng.sample(s.nets("cloud"), 4), 20)
    add(c, s.Profile(ips, c.base.agents, s.Mix(rng, c.base.mix.routes, s.habits(rng), c.base.mix.ids), s.office(rng.uniform(60, 400) / DAY, c.tz), .9), t0, horizon)
    c.label("ci_runners", "benign", t0, horizon)


def serverless(c, rng, t0, horizon):
    """The service moves to functions: its requests leave from ever changing addresses of its cloud."""
    s.cut(c, t0, horizon)
    ips = Rotating(rng, [same_cloud(c, rng)], 10)
    add(c, s.Profile(ips, c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("serverless", "benign", t0, horizon)


def vpn_days(c, rng, t0, horizon):
    """The developer switches a VPN on for some hours, again and again."""
    ips, t = Rotating(rng, [rng.choice(s.nets("vpn"))], 60), t0
    while t < horizon:
        end = min(t + s.hours(rng, 3, 9), horizon)
        s.cut(c, t, end)
        add(c, s.Profile(ips, c.base.agents, c.base.mix, c.base.rate, c.base.noise), t, end)
        t = end + s.hours(rng, 12, 60)
    c.label("vpn_days", "benign", t0, horizon)


def blue_green(c, rng, t0, horizon):
    """New machines beside the old ones in the same network; switched over, back, and over again."""
    new = s.FixedIPs(rng, same_cloud(c, rng), rng.randint(2, 5))
    for a, b in ((t0, t0 + 5400), (t0 + DAY, horizon)):
        s.cut(c, a, b)
        add(c, s.Profile(new, c.base.agents, c.base.mix, c.base.rate, c.base.noise), a, b)
    c.label("blue_green", "benign", t0, horizon)


def cdn(c, rng, t0, horizon):
    """Requests now pass a content network, whose addresses are many."""
    s.cut(c, t0, horizon)
    net = rng.choice(s.nets(["vps", "cloud"], not_asn=c.own_asns()))
    add(c, s.Profile(s.ScalingIPs(rng, net, 60), c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("cdn", "benign", t0, horizon)


def quarterly(c, rng, t0, horizon):
    """A key that slept for days does its batch, from the old machine, with one route more than last time."""
    end = t0 + s.hours(rng, 1, 4)
    mix = s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 1, 1), s.habits(rng), c.base.mix.ids)
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.flat(rng.uniform(.02, .5)), .2), t0, end)
    c.label("quarterly", "benign", t0, end)


def retry_storm(c, rng, t0, horizon):
    """The platform was away for everybody at the same time; clients try again and again."""
    t0, end = 12.4 * DAY, 12.4 * DAY + 1500
    mix = s.Mix(rng, c.base.mix.routes, {503: .6, 429: .2}, c.base.mix.ids)
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.flat(max(c.mean_rate() * rng.uniform(8, 40), .05)), .2), t0, end)
    c.label("retry_storm", "benign", t0, end)


def owner_export(c, rng, t0, horizon):
    """The owner reads all users in order of id, from the usual machine, at the usual pace times four."""
    end = t0 + s.hours(rng, .5, 2)
    mix = s.Mix(rng, [USER], s.habits(rng), s.Counter(rng))
    add(c, s.Profile(c.base.ips, c.base.agents, mix, s.flat(max(c.mean_rate() * 4, 100 / DAY)), .1), t0, end)
    c.label("owner_export", "benign", t0, end)


def partner_growth(c, rng, t0, horizon):
    """A partner's integration, in another cloud, starts small and outgrows the customer."""
    net = rng.choice(s.nets("cloud", not_asn=c.own_asns()))
    mix = s.Mix(rng, rng.sample(c.base.mix.routes, max(1, len(c.base.mix.routes) // 2)), s.habits(rng))
    base = c.mean_rate() * .05
    add(c, s.Profile(s.FixedIPs(rng, net, 2), [rng.choice(s.AGENTS[:12])], mix, lambda t: min(base * math.exp((t - t0) / DAY), 40 * base), .2), t0, horizon)
    c.label("partner_growth", "benign", t0, horizon)


def new_market(c, rng, t0, horizon):
    """The app starts in other countries: new consumer networks, a few more users every hour."""
    networks = rng.sample(s.nets(["isp", "mobile"]), 10)
    full = c.mean_rate() * rng.uniform(.3, 1)
    mix = s.Mix(rng, c.base.mix.routes, s.habits(rng))
    add(c, s.Profile(s.Population(rng, networks, max(30, int(c.per_day / 6))), c.base.agents, mix, lambda t: full * min(1, (t - t0) / (2 * DAY)), .2), t0, horizon)
    c.label("new_market", "benign", t0, horizon)


def home_lines(c, rng, t0, horizon):
    """The provider gives the desk a new address every night."""
    t = t0
    while t < horizon:
        end = min(t + DAY, horizon)
        s.cut(c, t, end)
        add(c, s.Profile(s.FixedIPs(rng, c.base.ips.net, 1), c.base.agents, c.base.mix, c.base.rate, c.base.noise), t, end)
        t = end
    c.label("home_lines", "benign", t0, horizon)


def failover(c, rng, t0, horizon):
    """Two hours in the other data centre, then home again."""
    end = t0 + s.hours(rng, 1, 4)
    s.cut(c, t0, end)
    net = rng.choice(s.nets(["cloud", "vps"], not_asn=c.own_asns()))
    add(c, s.Profile(s.FixedIPs(rng, net, rng.randint(1, 4)), c.base.agents, c.base.mix, c.base.rate, c.base.noise), t0, end)
    c.label("failover", "benign", t0, end)


def new_hire(c, rng, t0, horizon):
    """A colleague at another provider of the same country, with a tool of their own and many mistakes."""
    net = rng.choice(s.nets(["isp", "mobile"], country=c.home) or s.nets("isp"))
    mix = s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 0, 2), {400: .1, 404: rng.uniform(.05, .15), 422: .05, 403: .01})
    add(c, s.Profile(s.FixedIPs(rng, net, 1), rng.sample(s.AGENTS[:12], 2), mix, s.office(rng.uniform(40, 200) / DAY, c.tz), .9), t0, horizon)
    c.label("new_hire", "benign", t0, horizon)


def longer_prompts(c, rng, t0, horizon):
    """A new version sends three times the tokens, from the same machines."""
    s.cut(c, t0, horizon)
    mix = s.Mix(rng, c.base.mix.routes, s.habits(rng), c.base.mix.ids, tokens_factor=3)
    add(c, s.Profile(c.base.ips, c.base.agents, mix, c.base.rate, c.base.noise), t0, horizon)
    c.label("longer_prompts", "benign", t0, horizon)


ANY = s.ANY
FIXED = ("server", "cron", "llm", "desk")
EPISODES = {
    "own_cloud_walk": (own_cloud_walk, ("server", "fleet", "cron", "llm")), "walk_down": (walk_down, ANY),
    "shuffled_scrape": (shuffled_scrape, FIXED), "rotating_scrape": (rotating_scrape, ANY),
    "many_small_calls": (many_small_calls, ("llm", "server", "desk", "cron")), "slow_probe": (slow_probe, ANY),
    "ransom": (ransom, ANY), "bulk_theft": (bulk_theft, FIXED),
    "handed_over": (handed_over, FIXED), "pentest": (pentest, FIXED), "bulk_sync": (bulk_sync, ("server", "fleet", "cron")),
    "report_binge": (report_binge, ("server", "desk")),
    "ci_runners": (ci_runners, ("server", "desk", "fleet")), "serverless": (serverless, ("server", "fleet", "llm")),
    "vpn_days": (vpn_days, ("desk",)), "blue_green": (blue_green, ("server", "cron", "llm")),
    "cdn": (cdn, ("server", "fleet", "llm")), "quarterly": (quarterly, ("dormant",)),
    "retry_storm": (retry_storm, ("server", "fleet", "llm", "mobile", "cron")), "owner_export": (owner_export, FIXED),
    "partner_growth": (partner_growth, ("server", "fleet")), "new_market": (new_market, ("mobile",)),
    "home_lines": (home_lines, ("desk",)), "failover": (failover, ("server", "fleet", "cron", "llm")),
    "new_hire": (new_hire, ("server", "desk", "llm")), "longer_prompts": (longer_prompts, ("llm",)),
}

if __name__ == "__main__":
    s.main(EPISODES)
