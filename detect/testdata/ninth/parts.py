"""What several episodes need: the shared generator, routes by path, ids, and a swap of the customer's own traffic."""
import os
import sys

SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), *[".."] * 4, "shared")
sys.path.insert(0, os.path.join(SHARED, "scenarios"))
import scenario as s  # noqa: E402

DAY, ONE, HOUR = s.DAY, s.ONE, 3600
FIXED = ("server", "cron", "desk", "llm")


def routes(*names):
    """Routes of the shared API: "GET /v1/me"."""
    return [s.BY_PATH[tuple(n.split(" "))] for n in names]


class Strewn:
    """Objects all over the range, in no order and seldom twice."""

    def pick(self, rng):
        return rng.randint(1, 2_000_000)


class Near:
    """Objects of one neighbourhood, again and again."""

    def __init__(self, rng, span):
        self.base, self.span = rng.randint(1, 1_900_000), span

    def pick(self, rng):
        return self.base + rng.randrange(self.span)


def add(c, profile, start, end, factor=ONE):
    c.segments.append((profile, start, end, factor))


def swap(c, new, start, end):
    """`new` stands in for the customer's own traffic."""
    s.cut(c, start, end, 0.0)
    add(c, new, start, end)


def scaled(c, f):
    """The customer's own traffic times f(t)."""
    c.segments = [(p, a, b, (lambda g: lambda t: g(t) * f(t))(g) if p is c.base else g) for p, a, b, g in c.segments]


def country(c):
    return s.nets("isp", country=c.home) or s.nets("isp")


def abroad(c, rng, *kinds):
    """A network that the customer has never used."""
    return rng.choice(s.nets(list(kinds), not_asn=c.own_asns()))


def tool(c, rng, copied):
    """The thief's own program, or with probability `copied` the customer's agent string."""
    return list(c.base.agents) if rng.random() < copied else [rng.choice(s.AGENTS[:12])]


def busy(c, rng):
    """A pace that can be told from nothing: some times the customer's, never under a call in two minutes."""
    return max(c.mean_rate() * rng.uniform(1.5, 6), 1 / 120)
