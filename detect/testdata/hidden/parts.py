"""What the hidden families are made of: places, programs, routes, paces and scripts whose calls follow one another."""
import math
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
sys.path.insert(0, os.path.join(SHARED, "scenarios"))
import scenario as s  # noqa: E402

DAY, ONE = s.DAY, s.ONE
MOST = ("server", "fleet", "cron", "desk", "llm")
ANY = MOST + ("mobile",)
HOSTED = ("server", "fleet", "llm")
MACHINES = HOSTED + ("cron",)

# Routes that the API has beside those of the shared generator: method, path, weight, mean response bytes, mean latency ms, tokens?
MORE = [("POST", "/v1/login", 6, 420, 130, 0), ("POST", "/v1/payments", 6, 640, 380, 0), ("GET", "/v1/orders", 8, 34000, 70, 0),
        ("GET", "/v1/users", 8, 26000, 60, 0), ("POST", "/v1/webhooks", 2, 480, 25, 0), ("DELETE", "/v1/webhooks/{id}", 1, 40, 15, 0),
        ("POST", "/v1/webhooks/{id}/test", 2, 210, 240, 0), ("GET", "/v1/recommendations/{id}", 10, 5200, 55, 0),
        ("GET", "/v1/wishlists/{id}", 8, 2100, 18, 0), ("POST", "/v1/wishlists", 4, 380, 26, 0), ("GET", "/v1/invoices/{id}", 5, 14000, 60, 0),
        ("POST", "/v1/images", 4, 900, 700, 0), ("GET", "/v2/items/{id}", 20, 1500, 11, 0), ("GET", "/v2/items", 8, 7000, 30, 0)]
TABLE = {"%s %s" % (r[0], r[1]): r for r in s.ROUTES + MORE}

# Programs that people write down keys into; the customers of the shared generator have other versions of some of them.
TOOLS = ["python-requests/2.28.1", "aiohttp/3.9.5", "Go-http-client/1.1", "curl/7.88.1", "axios/0.27.2", "Scrapy/2.11.2 (+https://scrapy.org)", "node",
         "Wget/1.21.4", "PostmanRuntime/7.36.0", "okhttp/3.14.9", "libwww-perl/6.72", "python-urllib3/1.26.18", "HTTPie/3.2.2",
         "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"]


def routes(*names):
    return [TABLE[n] for n in names]


def hours(rng, lo, hi):
    return rng.uniform(lo, hi) * 3600


def between(rng, lo, hi):
    """A number whose logarithm is uniform: parameters that range over decades."""
    return math.exp(rng.uniform(math.log(lo), math.log(hi)))


# --------------------------------------------------------------------------- places
def stranger(c, rng, kinds=("vps", "vpn")):
    """A network that the customer has never used."""
    return rng.choice(s.nets(list(kinds), not_asn=c.own_asns()))


def homes(c, country=None):
    """Consumer networks of a country, or of all the world."""
    kinds = ["isp", "mobile"]
    return s.nets(kinds, country=country, not_asn=c.own_asns()) or s.nets(kinds, not_asn=c.own_asns()) or s.nets(kinds)


def own_network(c):
    """The one network of a customer that has one."""
    return getattr(c.base.ips, "net", None)


class Pool:
    """One of the given addresses, the first ones more often."""

    def __init__(self, ips):
        self.ips = ips

    def pick(self, rng):
        return self.ips[min(int(rng.expovariate(3 / len(self.ips))), len(self.ips) - 1)]


class PrivacyV6:
    """A household with IPv6: the interface id changes several times a day, the delegated prefix every few days."""

    def __init__(self, rng, prefix):
        self.prefix = prefix
        self.new_site(rng)

    def new_site(self, rng):
        groups = self.prefix.split(":")
        self.site = ":".join(groups + ["%x" % rng.randint(1, 0xffff) for _ in range(4 - len(groups))])
        self.new_host(rng)

    def new_host(self, rng):
        self.ip = self.site + ":" + ":".join("%x" % rng.randint(0x1000, 0xffff) for _ in range(4))

    def pick(self, rng):
        if rng.random() < 0.001:
            self.new_site(rng)
        elif rng.random() < 0.03:
            self.new_host(rng)
        return self.ip


# --------------------------------------------------------------------------- programs
def program(c, rng, copied=0.35):
    """The user agent of a stranger: at times one of the customer's, copied."""
    return [rng.choice(c.base.agents) if rng.random() < copied else rng.choice([t for t in TOOLS if t not in c.base.agents])]


def other_program(c, rng):
    """Another program of the customer's own house."""
    return [rng.choice([a for a in s.AGENTS[:12] if a not in c.base.agents])]


# --------------------------------------------------------------------------- objects and answers
class Anywhere:
    """Objects at random, nearly all of them somebody else's."""

    def pick(self, rng):
        return rng.randint(1, 2_000_000)


class Slow(s.Mix):
    """A mix of which the answers take longer than usual."""

    def __init__(self, *a, slower=1.0, **k):
        super().__init__(*a, **k)
        self.slower = slower

    def draw(self, rng, extra_5xx=0.0):
        m, path, status, size, ms, units = super().draw(rng, extra_5xx)
        return m, path, status, size, ms * self.slower, units


def kin(c, rng, names, errors=None, size=1.0):
    """A mix over the customer's own objects."""
    return s.Mix(rng, routes(*names) if names and isinstance(names[0], str) else names, errors or s.habits(rng), c.base.mix.ids, size)


def status(r, odds, fine=None):
    """One of the statuses in `odds` (status -> probability), else `fine`."""
    x = r.random()
    for code, p in odds.items():
        if x < p:
            return code
        x -= p
    return fine


class Script:
    """A program with a story: `story(rng, now)` yields (pause before the call in seconds, "METHOD /route", object id, status or None, size factor)."""

    def __init__(self, rng, ips, agents, story):
        self.ips, self.agents = ips, agents
        self.steps, self.at, self.call = story(random.Random(rng.random()), lambda: self.at), None, None

    def emit(self, rng, key_id, start, end, factor, incidents, out):
        if self.at is None:
            self.at = start
        while self.at < end:
            if self.call is None:
                self.call = next(self.steps, None)
                self.at = self.at + self.call[0] if self.call else math.inf
                continue
            (_, name, ident, code, scale), self.call = self.call, None
            m, template, _, mean_bytes, mean_ms, tokens = TABLE[name]
            if any(a <= self.at < b and rng.random() < p for a, b, p in incidents):
                code = 503
            code = code or (201 if m == "POST" and not tokens else 204 if m == "DELETE" else 200)
            size = int(mean_bytes * scale * rng.lognormvariate(-.02, .2)) if code < 400 else rng.randint(60, 260)
            path = template.replace("{id}", str(ident)) if ident is not None else template
            out.append((self.at, key_id, m, path, code, size, mean_ms * rng.lognormvariate(-.08, .4), None, self.ips.pick(rng), rng.choice(self.agents)))


def act(c, rng, ips, agents, story, t0, end):
    c.segments.append((Script(rng, ips, agents, story), t0, end, ONE))


# --------------------------------------------------------------------------- pace
def steady(r, seconds, jitter=0.05):
    """The pause of a timer."""
    return seconds * r.uniform(1 - jitter, 1 + jitter)


def uneven(r, seconds):
    """The pause of somebody who is now and then busy with something else; mean `seconds`."""
    return seconds * r.lognormvariate(-.5, 1)


def until(t, tz, lo, hi, weekend=False):
    """Seconds from t to the next minute between the local hours lo and hi (of a workday)."""
    wait = 0
    while True:
        local = t + wait + tz * 3600
        if lo <= (local % DAY) / 3600 < hi and (weekend or int(local // DAY) % 7 < 5):
            return wait
        wait += 60


def local_hour(c, t0, hour):
    """The time on the day of t0, or after it, at which the customer's clock shows `hour`."""
    at = t0 - t0 % DAY + ((hour - c.tz) % 24) * 3600
    return at if at >= t0 else at + DAY


def ramp(t0, over):
    return lambda t: min(1.0, max(0.0, (t - t0) / max(1.0, over - t0)))


def reshape(c, f):
    """Multiplies what the customer's own client does by f(t)."""
    c.segments = [(p, a, b, (lambda g: lambda t: g(t) * f(t))(g) if p is c.base else g) for p, a, b, g in c.segments]


def replace(c, new, t0, over, horizon):
    """The customer's client fades out between t0 and `over` as `new` comes in."""
    up = ramp(t0, over)
    reshape(c, lambda t: 1 - up(t))
    c.segments.append((new, t0, horizon, up))
