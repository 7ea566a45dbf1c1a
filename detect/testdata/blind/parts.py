"""Parts of episodes: ids, addresses, clients that replay, and what several episodes ask about a customer.

The customers, networks and profiles are the shared generator's (`s`). A pool has pick(rng); a profile has emit(...) as scenario.Profile.
"""
import os
import sys

SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), *[".."] * 4, "shared")
sys.path.insert(0, os.path.join(SHARED, "scenarios"))
import scenario as s  # noqa: E402

TOOLS = ["aiohttp/3.11.11", "python-urllib3/2.3.0", "Scrapy/2.12.0 (+https://scrapy.org)", "Wget/1.24.5", "libwww-perl/6.77", "got/14.4.5",
         "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
         "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0", "insomnia/10.3.0", "undici", "fasthttp", "HTTPie/3.2.4",
         "OpenAI/Python 1.61.0", "langchain/0.3.17", "rest-client/2.1.0"] + s.AGENTS[:12]
READS = [s.BY_PATH[("GET", p)] for p in ("/v1/users/{id}", "/v1/users/{id}/orders", "/v1/orders/{id}", "/v1/items/{id}")]


class Shuffled:
    """Ids from a list that was made elsewhere: each one new, in no order."""

    def pick(self, rng):
        return rng.randint(1, 2_000_000)


def uuid(rng):
    """A version 4 UUID."""
    h = "%032x" % rng.getrandbits(128)
    return "-".join((h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]))


class HotUuids:
    """A customer's own objects where ids are UUIDs: a few are asked for most of the time."""

    def __init__(self, rng):
        self.hot = [uuid(rng) for _ in range(400)]

    def pick(self, rng):
        return self.hot[min(int(rng.expovariate(1 / 60)), 399)]


class FreshUuids:
    """UUIDs that the customer never asked for."""

    def pick(self, rng):
        return uuid(rng)


class Pages:
    """?page=1, 2, 3: one walk through a listing."""

    def __init__(self):
        self.n = 0

    def pick(self, rng):
        self.n += 1
        return self.n


class Rotating:
    """Another address of one provider every few requests, out of a set that is bought by the hour."""

    def __init__(self, networks, lo, hi):
        self.networks, self.lo, self.hi, self.left = networks, lo, hi, 0
        self.ip = None

    def pick(self, rng):
        if self.left <= 0:
            self.ip, self.left = s.ip_in(rng, rng.choice(self.networks)), rng.randint(self.lo, self.hi)
        self.left -= 1
        return self.ip


class PrivacyV6:
    """One line's /64 (or its /56), another interface id every few hours."""

    def __init__(self, rng, prefix, devices):
        self.prefix = "%s:%x:%x" % (prefix, rng.getrandbits(16), rng.getrandbits(16) & 0xff00 | 1)
        self.ids = [self.fresh(rng) for _ in range(devices)]

    def fresh(self, rng):
        return self.prefix + ":" + ":".join("%x" % rng.randint(1, 65535) for _ in range(4))

    def pick(self, rng):
        i = rng.randrange(len(self.ids))
        if rng.random() < 0.08:
            self.ids[i] = self.fresh(rng)
        return self.ids[i]


class Union:
    """Each request from one of several pools: (weight, pool)."""

    def __init__(self, *parts):
        self.parts = parts

    def pick(self, rng):
        return rng.choices([p for _, p in self.parts], [w for w, _ in self.parts])[0].pick(rng)


class Calls:
    """Calls at given times: [(time, ip, agent, mix)]."""

    def __init__(self, calls):
        self.calls = sorted(calls, key=lambda c: c[0])

    def emit(self, rng, key_id, start, end, factor, incidents, out):
        for at, ip, agent, mix in self.calls:
            if start <= at < end:
                extra = next((i[2] for i in incidents if i[0] <= at < i[1]), 0.0)
                m, path, status, size, ms, units = mix.draw(rng, extra)
                out.append((at, key_id, m, path, status, size, ms, units, ip, agent))


class Loop:
    """A recorded list of calls over and over: (method, path, size, ms). Writes are refused three times as often (signature, conflict, limit)."""

    def __init__(self, tape, ips, agent, rate, refused):
        self.tape, self.ips, self.agent, self.rate, self.refused, self.n = tape, ips, agent, rate, refused, 0

    def emit(self, rng, key_id, start, end, factor, incidents, out):
        t = start
        while True:
            t += rng.expovariate(self.rate)
            if t >= end:
                return
            m, path, size, ms = self.tape[self.n % len(self.tape)]
            self.n += 1
            status = 200 if m == "GET" else 201
            if rng.random() < (self.refused if m == "GET" else min(1, 3 * self.refused)):
                status = rng.choice([409, 401, 429]) if m != "GET" else rng.choice([401, 429])
            out.append((t, key_id, m, path, status, size if status < 400 else 140, ms * rng.lognormvariate(0, .3), None, self.ips.pick(rng), self.agent))


class LongAnswers(s.Mix):
    """Reasoning models answer at length."""

    def draw(self, rng, extra_5xx=0.0):
        *row, units = super().draw(rng, extra_5xx)
        if units:
            units = dict(units, output_tokens=int(rng.lognormvariate(8.0, 0.6)))
        return (*row, units)


class Own:
    """The customer's own objects, one after the other: the ids that it works with anyhow."""

    def __init__(self, ids):
        self.ids, self.n = sorted(set(ids.hot)), 0

    def pick(self, rng):
        self.n += 1
        return self.ids[self.n % len(self.ids)]


def add(c, profile, start, end, factor=s.ONE):
    c.segments.append((profile, start, end, factor))


def scale_base(c, f):
    """What the customer does anyway, times f(t); what episodes added stays."""
    c.segments = [(p, a, b, (lambda g: lambda t: g(t) * f(t))(g) if p is c.base else g) for p, a, b, g in c.segments]


def route(method, path, weight=10, size=1500, ms=20, tokens=0):
    """The shared route of that name, or one that the shared API does not have."""
    return s.BY_PATH.get((method, path)) or (method, path, weight, size, ms, tokens)


def tool(c, rng, copy=0.35):
    """Agents of somebody else: with probability `copy` the customer's own, copied."""
    return list(c.base.agents) if rng.random() < copy else [rng.choice(TOOLS)]


def home_isp(c, rng):
    """A provider of homes in the customer's country; Sweden's where the world has none."""
    return rng.choice(s.nets("isp", country=c.home) or s.nets("isp", country="SE"))


def local(c, t, hour):
    """The next time after t at which it is `hour` o'clock at the customer's."""
    at = t + c.tz * 3600
    at += (hour * 3600 - at % s.DAY) % s.DAY
    return at - c.tz * 3600


def ramp(t0, length, lo=0.0, hi=1.0):
    """From lo at t0 to hi in a straight line over `length` seconds."""
    return lambda t: lo + (hi - lo) * min(1.0, max(0.0, (t - t0) / length))


def bump(agents):
    """The next version of the same software."""
    out = []
    for a in agents:
        name, _, v = a.partition("/")
        head, _, tail = v.partition(".")
        out.append("%s/%s.%s" % (name, head, str(int(tail.split(".")[0].split(" ")[0] or 0) + 1) + ".0"))
    return out


def swap(c, t0, end, new, over=0.0):
    """`new` in place of the base between t0 and end, over a time."""
    f = ramp(t0, over) if over else (lambda t: 1.0 if t >= t0 else 0.0)
    scale_base(c, lambda t: 1 - f(t) if t < end else 1.0)
    add(c, new, t0, end, f)
