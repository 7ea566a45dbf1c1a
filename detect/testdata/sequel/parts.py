"""What the families are made of: the shared generator, address sources, timers and ways to change a customer."""
import ipaddress
import math
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(HERE, "..", "..", "..", "..", "shared")
sys.dont_write_bytecode = True  # the shared folder is read only to us
sys.path.insert(0, os.path.join(SHARED, "scenarios"))
import scenario as s  # noqa: E402

DAY, SLOT, ONE = s.DAY, s.SLOT, s.ONE


def ask(method, path, weight=None):
    """One of the API's routes, asked for as often as `weight` says."""
    m, p, w, size, ms, tokens = s.BY_PATH[(method, path)]
    return m, p, w if weight is None else weight, size, ms, tokens


# Routes of the same API that no customer of the generator uses by itself.
SEND_MESSAGE = ("POST", "/v1/messages", 4, 240, 110, 0)
ADD_WEBHOOK = ("POST", "/v1/webhooks", 1, 600, 25, 0)
DELETE_USER = ("DELETE", "/v1/users/{id}", 3, 60, 20, 0)


# --------------------------------------------------------------------------- networks
# IPv6 as these networks announce it. The shared list has IPv4 only.
V6 = {
    (16509, "US"): "2600:1f14::/35", (16509, "DE"): "2a05:d014::/36", (16509, "JP"): "2406:da14::/36",
    (16509, "SE"): "2a05:d016::/36", 14618: "2600:1f18::/33", 396982: "2600:1900:4000::/36",
    (8075, "US"): "2603:1030::/36", 8075: "2603:1020::/36", (14061, "US"): "2604:a880:cad::/48", 14061: "2a03:b0c0:3::/48",
    (24940, "FI"): "2a01:4f9::/32", 24940: "2a01:4f8::/32", (16276, "CA"): "2607:5300::/36", 16276: "2001:41d0::/36",
    63949: "2600:3c00::/36", 20473: "2001:19f0::/36", 51167: "2a02:c207::/36",
    45102: "240b:4000::/32", 132203: "240d:c020::/27",
    7922: "2601:600::/25", 20115: "2600:6c54::/30", 701: "2600:4000::/24", 21928: "2607:fb90::/33", 3320: "2003:c0::/28",
    3209: "2a00:20::/32", 2856: "2a01:4c8::/29", 5607: "2a02:c7c::/32", 3215: "2a01:c910::/29", 12322: "2a01:e20::/27",
    3352: "2a02:9100::/24", 3269: "2a01:2000::/20", 1136: "2a02:a440::/28", 55836: "2409:4100::/24", 24560: "2401:4900:1c00::/40",
    4713: "2400:4050::/32", 2516: "240f::/24", 9318: "2001:290::/32", 4134: "240e:300::/28", 4837: "2408:8230::/30",
    12389: "2a13:3880::/29", 7552: "2402:800::/32", 45899: "2001:ee0::/30", 7713: "2001:448a:3000::/36", 27699: "2804:431:c800::/38",
    28573: "2804:14c:400::/40", 8151: "2806:1008::/29", 9121: "2a01:358::/29", 29465: "2c0f:f5c0::/32", 1221: "2001:8000::/24",
    577: "2605:b100:a00::/39", 812: "2607:fea8::/32", 6830: "2a02:8080::/29", 5089: "2a02:8880::/25", 1257: "2a00:800::/25",
}


def v6(net):
    """The same network over IPv6; unchanged where the table above doesn't know it."""
    prefix = V6.get((net["asn"], net["country"])) or V6.get(net["asn"])
    if prefix is None:
        return net
    p = ipaddress.ip_network(prefix)
    return dict(net, ranges=[(int(p[0]), int(p[-1]))])


def homes(c):
    """Fixed lines of the customer's country; of any where the shared list has none (Finland)."""
    return s.nets("isp", country=c.home, not_asn=c.own_asns()) or s.nets("isp", not_asn=c.own_asns())


def abroad(c, kinds):
    return s.nets(list(kinds), not_country=[c.home], not_asn=c.own_asns())


def servers_near(c):
    """Other providers' machines where the customer's own stand, or at least a cloud."""
    net = getattr(c.base.ips, "net", None)
    country = net["country"] if net else c.home
    return (s.nets(["cloud"], country=country, not_asn=c.own_asns()) or s.nets(["cloud"], not_asn=c.own_asns()))


class Rotating:
    """One address at a time, left for a fresh one after some dozens or hundreds of requests."""

    def __init__(self, networks, low, high):
        self.networks, self.low, self.high, self.left, self.ip = networks, low, high, 0, None

    def pick(self, rng):
        if self.left <= 0:
            self.ip, self.left = s.ip_in(rng, rng.choice(self.networks)), rng.randint(self.low, self.high)
        self.left -= 1
        return self.ip


# --------------------------------------------------------------------------- what is requested
class Guesses:
    """Object ids tried blindly, far outside of what exists."""

    def pick(self, rng):
        return rng.randint(10_000_000, 999_999_999)


def bump(agent, rng):
    """The next version of the same program: python-requests/2.32.3 -> python-requests/2.33.0."""
    return re.sub(r"/(\d+)\.(\d+)[.\d]*", lambda v: "/%s.%d.%d" % (v[1], int(v[2]) + 1, rng.randint(0, 2)), agent, count=1)


# --------------------------------------------------------------------------- when it is requested
def between(rate, low, high, tz):
    """`rate` from `low` to `high` o'clock, local time, and nothing else."""
    return lambda t: rate if low <= ((t + tz * 3600) % DAY) / 3600 < high else 0.0


def rising(start, seconds):
    """From 0 at `start` to 1 after `seconds`."""
    return lambda t: min(1.0, max(0.0, (t - start) / seconds))


def local_time(c, day, hour):
    """Seconds since the beginning at which it is `hour` o'clock at the customer's, on `day` (0 is a Monday)."""
    return day * DAY + (hour - c.tz) * 3600


def saturday(t0):
    """The Saturday of t0's week."""
    return int(t0 // DAY) // 7 * 7 + 5


class Timer(s.Profile):
    """Calls on a timer, to the second. The shared Profile knows random arrivals only."""

    def __init__(self, ips, agents, mix, period, phase):
        super().__init__(ips, agents, mix, s.flat(1 / period))
        self.period, self.phase = period, phase

    def emit(self, rng, key_id, start, end, factor, incidents, out, jitter_agents=False):
        n = math.ceil((start - self.phase) / self.period)
        while self.phase + n * self.period < end:
            at = min(self.phase + n * self.period + rng.random() * 0.4, end - 0.001)
            extra = next((i[2] for i in incidents if i[0] <= at < i[1]), 0.0)
            m, path, status, size, ms, units = self.mix.draw(rng, extra)
            out.append((at, key_id, m, path, status, size, ms, units, self.ips.pick(rng), rng.choice(self.agents)))
            n += 1


# --------------------------------------------------------------------------- changes
def like_base(c, ips=None, agents=None, mix=None, rate=None):
    """The customer's own client but for what is given."""
    b = c.base
    return s.Profile(ips or b.ips, agents or b.agents, mix or b.mix, rate or b.rate, b.noise)


def pause(c, start, end):
    """Nothing of the customer's own between start and end.
    Segments are split: a factor, as the shared cut() has it, takes effect at the next ten minutes only."""
    old, c.segments = c.segments, []
    for p, a, b, f in old:
        if p is not c.base or b <= start or a >= end:
            c.segments.append((p, a, b, f))
            continue
        if a < start:
            c.segments.append((p, a, start, f))
        if b > end:
            c.segments.append((p, end, b, f))


def instead(c, profile, start, end, factor=ONE):
    """Between start and end `profile` stands in for the customer's own client."""
    pause(c, start, end)
    c.segments.append((profile, start, end, factor))


def scale(c, factor):
    """Multiply what the customer's own client does by factor(t)."""
    c.segments = [(p, a, b, (lambda f: lambda t: f(t) * factor(t))(f) if p is c.base else f) for p, a, b, f in c.segments]


def move_over(c, profile, start, horizon, seconds, share=1.0):
    """`share` of what the customer does goes over to `profile` within `seconds`."""
    ramp = rising(start, seconds)
    scale(c, lambda t: 1 - share * ramp(t))
    c.segments.append((profile, start, horizon, lambda t: share * ramp(t)))


def join(c, rng, ips, agents, mix, rate, start, end, noise=0.2, factor=ONE):
    """Another client of the key from start to end."""
    c.segments.append((s.Profile(ips, agents, mix, rate, noise), start, end, factor))
