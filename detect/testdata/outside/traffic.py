"""How calls come about: what a client asks for, when, and what the answers look like.

A client has emit(rng, lo, hi, env, out): it appends the calls that begin in [lo, hi) as (time, method, path, status, bytes out, ms, bytes in, units, address, agent).
`env` is the platform's weather: outages as (product, from, to, share of failures), and the weekday of day 0.
"""
import math

from catalog import spell, word
from places import DAY, HOUR

SLOT = 600


def poisson(rng, lam):
    if lam > 50:
        return max(0, int(rng.gauss(lam, math.sqrt(lam)) + .5))
    limit, k, p = math.exp(-lam), 0, rng.random()
    while p > limit:
        k, p = k + 1, p * rng.random()
    return k


# --------------------------------------------------------------------------- what
class Objects:
    """What a customer has: `n` objects of which a few are asked for every day. first: objects below it exist already."""

    def __init__(self, rng, product, n):
        self.product, self.salt, self.n = product, rng.getrandbits(40), n
        self.order = list(range(n))
        rng.shuffle(self.order)
        self.sharp = rng.uniform(1.6, 3.2)
        self.lat, self.lon = rng.uniform(-38, 60), rng.uniform(-120, 145)
        self.words = [word(rng, 3) for _ in range(rng.randint(40, 400))]
        self.syms = ["".join(rng.choice("ABCDEFGHIKLMNOPRSTUVX") for _ in range(rng.randint(2, 4))) for _ in range(rng.randint(20, 160))]

    def number(self, rng):
        return self.order[int(self.n * rng.random() ** self.sharp)]

    def name(self, i):
        return spell(self.product.style, self.salt, i)

    def pick(self, rng):
        return self.name(self.number(rng))


class Stranger(Objects):
    """Objects of other customers, or of nobody."""

    def __init__(self, rng, product):
        super().__init__(rng, product, 3_000_000 // 23)
        self.order, self.sharp = range(self.n), 1


def fill(path, rng, objects, ident=None, day=""):
    if "{" not in path:
        return path
    for name, make in (("{id}", lambda: ident or objects.pick(rng)), ("{w}", lambda: rng.choice(objects.words)), ("{n}", lambda: str(1 + int(rng.expovariate(.4)))),
                       ("{lat}", lambda: "%.4f" % max(-89, min(89, rng.gauss(objects.lat, .2)))), ("{lon}", lambda: "%.4f" % max(-179, min(179, rng.gauss(objects.lon, .3)))),
                       ("{z}", lambda: "%d/%d/%d" % (14, int((objects.lon + 180) * 45.5) + rng.randint(0, 40), int((90 - objects.lat) * 91) % 16384 + rng.randint(0, 40))),
                       ("{phone}", lambda: "%%2B%d%08d" % (30 + objects.salt % 60, rng.randint(10 ** 7, 10 ** 8 - 1))), ("{sym}", lambda: objects.syms[int(len(objects.syms) * rng.random() ** 2)]),
                       ("{day}", lambda: day), ("{k}", lambda: str(rng.randint(100, 9999)))):
        if name in path:
            path = path.replace(name, ident if name in ("{n}", "{sym}", "{phone}", "{w}") and ident else make())
    return path


class Asks:
    """What a client asks for: routes with weights, its own objects, its usual errors (status -> probability)."""

    def __init__(self, rng, product, names, objects, errors, big=1.0, tokens=1.0, weights=None, slow=1.0):
        self.product, self.objects, self.errors, self.big, self.tokens, self.slow = product, objects, errors, big, tokens, slow
        self.names = list(names)
        self.routes = [product.routes[n] for n in self.names]
        self.weights = weights or [max(r.weight, .3) * rng.lognormvariate(0, .5) for r in self.routes]

    def draw(self, rng, day, route=None, ident=None, status=None, big=1.0):
        r = route or rng.choices(self.routes, self.weights)[0]
        path = fill(r.path, rng, self.objects, ident, day)
        if status is None:
            status, x = {"POST": 201, "DELETE": 204}.get(r.method, 200), rng.random()
            if r.unit in ("tokens", "input"):
                status = 200
            for code, p in self.errors.items():
                if x < p:
                    status = code
                    break
                x -= p
        units, size = None, rng.randint(70, 280)
        if status < 400:
            size = int(r.out * self.big * big * rng.lognormvariate(-.15, .55))
            if r.unit in ("tokens", "input"):
                units = {"input_tokens": int(rng.lognormvariate(6.2, .9) * self.tokens * big), "output_tokens": int(rng.lognormvariate(5.4, .8) * self.tokens * big) if r.unit == "tokens" else 0}
            elif r.unit:
                units = {r.unit: 1 if rng.random() < .8 else rng.randint(2, 4)}
        ms = r.ms * self.slow * (rng.lognormvariate(-.12, .5) if status < 400 else rng.uniform(.2, .6))
        return r.method, path, status, size, ms, 210 + len(path) + int(r.inn * rng.lognormvariate(-.1, .45)), units


# --------------------------------------------------------------------------- when
def flat(mean):
    return lambda t, wd: mean


def local(t, tz, wd):
    x = t + tz * HOUR
    return (x % DAY) / HOUR, (int(x // DAY) + wd) % 7


def daily(mean, tz, depth=.6, weekend=.8, peak=14.0):
    def rate(t, wd):
        h, d = local(t, tz, wd)
        return mean * (1 + depth * math.cos((h - peak) / 12 * math.pi)) * (weekend if d >= 5 else 1)
    return rate


def hours(mean, tz, begin=8.5, end=18.0, weekend=.02, night=.01):
    """Mean over a working day, with a pause for lunch."""
    def rate(t, wd):
        h, d = local(t, tz, wd)
        f = (.5 if 12 <= h < 13 else 1.0) if begin <= h < end else night
        return mean * f * 24 / (end - begin) * (weekend if d >= 5 else 1)
    return rate


# --------------------------------------------------------------------------- clients
class Client:
    """Sessions that begin at random: each of about `calls` calls, `pause` seconds apart, by one machine or person. rate: calls a second."""

    def __init__(self, where, agents, asks, rate, calls=1.0, pause=1.0, noise=.2, on=0, off=math.inf, people=8, retries=True):
        self.where, self.agents, self.asks, self.rate, self.calls, self.pause, self.noise = where, agents, asks, rate, calls, pause, noise
        self.on, self.off, self.people, self.retries, self.factors, self.limited = on, off, people, retries, [], (0, 0, 0)

    def factor(self, t):
        f = 1.0
        for g in self.factors:
            f *= g(t)
        return f

    def call(self, rng, t, who, env, out, **k):
        day, fail = env.day(t), env.failing(self.asks.product.name, t)
        broken = fail and rng.random() < fail
        if broken:
            k["status"] = rng.choice([500, 503, 503, 504])
        elif self.limited[0] <= t < self.limited[1] and rng.random() < self.limited[2]:
            k["status"] = 429
        row = self.asks.draw(rng, day, **k)
        ip, agent = self.where.pick(rng, t, who), self.agents[who % len(self.agents)]
        out.append((t, *row, ip, agent))
        again, at = 0, t
        while self.retries and row[2] in (500, 502, 503, 504) and again < 4:
            again, at = again + 1, at + rng.uniform(.5, 1.5) * 2 ** again
            fail = env.failing(self.asks.product.name, at)
            ok = not (fail and rng.random() < fail)
            out.append((at, row[0], row[1], {"POST": 201, "DELETE": 204}.get(row[0], 200) if ok else row[2], *(row[3:] if not ok else (row[3] * 5 + 200, row[4], row[5], row[6])), self.where.pick(rng, at, who), agent))
            if ok:
                break
        return t

    def emit(self, rng, lo, hi, env, out):
        t = max(lo, self.on)
        hi = min(hi, self.off)
        while t < hi:
            stop = min(t - t % SLOT + SLOT, hi)
            lam = self.rate((t + stop) / 2, env.wd) * self.factor((t + stop) / 2) * (stop - t) / self.calls
            if lam > 0:
                for _ in range(poisson(rng, lam * rng.gammavariate(1 / self.noise, self.noise))):
                    at, who = t + rng.random() * (stop - t), rng.randrange(self.people)
                    for _ in range(1 if self.calls <= 1 else 1 + poisson(rng, self.calls - 1)):
                        self.call(rng, at, who, env, out)
                        at += rng.expovariate(1 / self.pause)
                        if at > self.off:
                            break
            t = stop


class Job(Client):
    """At local hours `at`, each `every` seconds: a walk over pages and objects, one call after another. size(rng, t): calls of a run."""

    def __init__(self, where, agents, asks, every, at, size, pause, days=range(7), **k):
        super().__init__(where, agents, asks, None, pause=pause, **k)
        self.every, self.at, self.size, self.days = every, at, size, days

    def emit(self, rng, lo, hi, env, out):
        n = math.ceil((lo - self.at) / self.every)
        while self.at + n * self.every < hi:
            t = self.at + n * self.every
            n += 1
            if not self.on <= t < self.off or local(t, 0, env.wd)[1] not in self.days:
                continue
            t += rng.uniform(0, 4)
            for _ in range(int(self.size(rng, t) * self.factor(t))):
                self.call(rng, t, 0, env, out)
                t += rng.expovariate(1 / self.pause)
                if t > self.off:
                    break


class Ticks(Client):
    """`people` things that call every `every` seconds, each at its own second: probes, meters, pollers."""

    def __init__(self, where, agents, asks, every, **k):
        super().__init__(where, agents, asks, None, **k)
        self.every = every

    def emit(self, rng, lo, hi, env, out):
        for i in range(self.people):
            t = max(lo, self.on)
            t += (i * .618034 * self.every - t) % self.every
            while t < min(hi, self.off):
                f = self.factor(t) * (self.rate(t, env.wd) if self.rate else 1)
                if rng.random() < f:
                    self.call(rng, t + rng.uniform(0, self.every * .02), i, env, out)
                t += self.every


class Script(Client):
    """A program with a story: story(rng, now) yields (pause before the call, route name, ident or None, status or None, size)."""

    def __init__(self, rng, where, agents, asks, story, on, off):
        super().__init__(where, agents, asks, None, on=on, off=off, retries=False)
        self.at, self.who, self.steps = on, rng.randrange(1000), None
        self.story, self.seed = story, rng.random()

    def emit(self, rng, lo, hi, env, out):
        if self.steps is None:
            self.steps = self.story(type(rng)(self.seed), lambda: self.at)
        while self.at < min(hi, self.off):
            step = getattr(self, "next", None) or next(self.steps, None)
            if step is None:
                self.at = math.inf
                return
            if not getattr(self, "next", None):
                self.at, self.next = self.at + step[0], step
                if self.at >= min(hi, self.off):
                    return
            pause, name, ident, status, big = self.next
            self.next = None
            self.call(rng, self.at, self.who, env, out, route=self.asks.product.routes[name], ident=ident, status=status, big=big)
