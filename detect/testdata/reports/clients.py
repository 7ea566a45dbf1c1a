"""Clients: when each is there, what it does in a session, and what the log says of a call.

A session is a generator of steps (pause, route, ident, status, big): seconds before the call; the object or None for one of the customer's; the status or None for the usual;
and a factor for bytes and units.
"""
import math

from places import DAY, HOUR

INF = math.inf


# --------------------------------------------------------------------------- when
def local(t, tz, wd):
    x = t + tz * HOUR
    return x % DAY / HOUR, int(x // DAY + wd) % 7


def office(tz, begin=8.2, end=17.6, weekend=.03):
    def curve(t, wd):
        h, d = local(t, tz, wd)
        x = (1.0 if abs(h - 12.5) > .6 else .55) if begin <= h < end else .02
        return x * (weekend if d > 4 else 1) * 24 / (end - begin)
    return curve


def public(tz, weekend=1.1):
    """Two humps, at noon and in the evening."""
    def curve(t, wd):
        h, d = local(t, tz, wd)
        return (.12 + math.exp(-((h - 12) / 3) ** 2) + 1.5 * math.exp(-((h - 20) / 2.6) ** 2)) / .62 * (weekend if d > 4 else 1)
    return curve


def always(t, wd):
    return 1.0


def flow(per_day, curve, sigma=1.0):
    """Sessions with log-normal gaps: clumps and lulls, not independent arrivals."""
    def times(rng, on, off, env):
        t = on + rng.random() * DAY / per_day
        while t < off:
            yield t, rng.getrandbits(30)
            rate = max(per_day * curve(t, env.wd) / DAY, 1e-7)
            gap = rng.lognormvariate(-sigma * sigma / 2, sigma) / rate
            t += gap if gap < 1500 else 1500 + rng.expovariate(max(per_day * curve(t + 1500, env.wd) / DAY, 1e-5))
    return times


def heaps(per_day, size, curve):
    """Events elsewhere set off a heap of sessions within a minute."""
    def times(rng, on, off, env):
        for t, _ in flow(per_day, curve, .7)(rng, on, off, env):
            for _ in range(max(1, int(rng.lognormvariate(math.log(size) - .4, .9)))):
                yield t + rng.expovariate(1 / 20), rng.getrandbits(30)
    return times


def timers(n, period, drift=.01):
    """n things that call every `period` seconds, each with a phase and a drift of its own."""
    def times(rng, on, off, env):
        for i in range(n):
            t, p = on + rng.random() * period, period * rng.uniform(1 - drift, 1 + drift)
            while t < off:
                yield t + rng.uniform(0, p * drift), i
                t += p
    return times


def daily(hours, tz, days=range(7)):
    """At local hours, to some seconds."""
    def times(rng, on, off, env):
        for d in range(int(on // DAY) - 1, int(off // DAY) + 2):
            for h in hours:
                t = d * DAY + (h - tz) * HOUR + rng.uniform(0, 9)
                if on <= t < off and local(t, tz, env.wd)[1] in days:
                    yield t, d
    return times


def once(rng, on, off, env):
    yield on, rng.getrandbits(30)


# --------------------------------------------------------------------------- what
def mixed(rng, names, service, calls=1.0, think=1.0):
    """Some calls by weight, with pauses like a person's or a program's."""
    weights = [max(service.routes[n].weight, .4) * rng.lognormvariate(0, .5) for n in names]

    def session(r, who, now):
        n, first = 1, True
        while r.random() < 1 - 1 / calls:
            n += 1
        for name in r.choices(names, weights, k=n):
            yield 0 if first else think * r.lognormvariate(-.5, 1), name, None, None, 1
            first = False
    return session


def waits(service, every, polls, then="file"):
    """A job is handed in, asked after until it is done, and its result fetched."""
    poll = "item" if service.name == "vision" else "jobat"

    def session(r, who, now):
        yield 0, "make" if service.name == "vision" else "job", None, None, 1
        job = "%x" % r.getrandbits(60)
        for _ in range(1 + int(r.expovariate(1 / polls))):
            yield every, poll, job, None, 1
        if r.random() < .9:
            yield every / 2, then, job, None, 1
    return session


# --------------------------------------------------------------------------- a client
class Client:
    def __init__(self, where, agents, when, work, things, errors=None, on=0, off=INF, people=0, retry=.7, slow=1.0):
        self.where, self.agents, self.when, self.work, self.things, self.errors = where, agents, when, work, things, errors or {}
        self.on, self.off, self.people, self.retry, self.slow, self.factors, self.also = on, off, people, retry, slow, [], None

    def run(self, rng, service, env, horizon, out):
        for t, who in self.when(rng, max(self.on, 0), min(self.off, horizon), env):
            f = 1.0
            for g in self.factors:
                f *= g(t)
            for again in range(int(f) + (rng.random() < f % 1)):
                at, one = t + (rng.uniform(0, 300) if again else 0), who % self.people if self.people else who
                for pause, name, ident, status, big in self.work(rng, one, lambda: at):
                    at += pause
                    if at >= min(self.off, horizon):
                        break
                    self.call(rng, service, env, at, one, name, ident, status, big, out)

    def call(self, rng, service, env, t, who, name, ident, status, big, out):
        route, tries = service.routes[name], 0
        raw = ident if "{raw}" in route.path else None
        path, fixed = self.fill(rng, route.path, ident, t, env), status
        while True:
            status = fixed or self.status(rng, route)
            if env.broken(service.name, t) > rng.random():
                status = 503
            fine = status < 300
            size = int(route.out * big * rng.lognormvariate(-.2, .6)) if fine and not raw else 0 if status in (304, 204) else rng.randint(80, 420)
            ms = route.ms * self.slow * (rng.lognormvariate(-.1, .5) if fine else rng.uniform(.15, .7)) * (1 + .2 * math.log1p(big))
            units = None
            if route.unit and fine:
                units = {route.unit: int(9000 * big * rng.lognormvariate(-.3, .8)) if route.unit == "gpu_ms" else max(1, int(big))}
            agent = self.agents[who % len(self.agents)]
            out.append((t, route.method, service.base + path, status, size, ms, 190 + len(path) + int(route.inn * (big if route.method != "GET" else 1) * rng.lognormvariate(-.1, .4)), units, self.where.pick(rng, t, who), agent))
            tries += 1
            if status not in (503, 429, 423) or tries > 4 or rng.random() > self.retry or fixed:
                return
            t += 2 ** tries * rng.uniform(.4, 1.2)

    def status(self, rng, route):
        if rng.random() < route.fresh:
            return 304
        x = rng.random()
        for code, p in self.errors.items():
            if x < p:
                return code
            x -= p
        return route.fine

    def fill(self, rng, path, ident, t, env):
        if "{" not in path:
            return path
        if "{raw}" in path:
            return path.replace("{raw}", ident)
        if "{id}" in path:
            path = path.replace("{id}", ident or self.things.pick(rng, t))
        elif "{k}" in path and ident:
            path = path.replace("{k}", ident)
        for name, value in (("{k}", rng.randint(100, 99999)), ("{n}", int(rng.expovariate(.5)) * 50), ("{day}", env.day(t)), ("{w}", rng.choice(self.things.words))):
            path = path.replace(name, str(value))
        return path
