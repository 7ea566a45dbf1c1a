"""When clients call: every pace has times(rng, a, b, scale) -> [(time, session)] in the slice [a, b); scale(t) multiplies what it does at t."""
import math

from places import DAY, HOUR

SLOT = 600


def poisson(rng, lam):
    if lam > 60:
        return max(0, round(rng.gauss(lam, math.sqrt(lam))))
    limit, k, p = math.exp(-lam), 0, rng.random()
    while p > limit:
        k, p = k + 1, p * rng.random()
    return k


def local(t, offset):
    """Hour of the day and weekday (Monday 0) there; t = 0 is a Monday, 0:00 UTC."""
    s = t + offset * HOUR
    return s % DAY / HOUR, int(s // DAY) % 7


def even(h, w):
    return 1.0


def office(h, w):
    return (3.0 if 8.5 <= h < 12.2 or 13 <= h < 17.8 else .4 if 7 <= h < 21 else 0.0) if w < 5 else .03


def shops(h, w):
    return (2.2 if 9 <= h < 20 else 0.0) if w < 6 else 0.0


def evening(h, w):
    return (.25 if 1 <= h < 6 else .8 if h < 17 else 2.1) * (1.25 if w > 4 else 1)


def waves(depth, peak=14, weekend=.8):
    return lambda h, w: (1 + depth * math.cos((h - peak) / 12 * math.pi)) * (weekend if w > 4 else 1)


class Flow:
    """Single calls, or visits of several, at random: `per_day` visits of about `calls` calls, `think` seconds apart."""

    def __init__(self, per_day, shape, offset, calls=1, think=4.0, noise=.15):
        self.rate, self.shape, self.offset, self.calls, self.think, self.noise = per_day / DAY, shape, offset, calls, think, noise

    def times(self, rng, a, b, scale):
        out, t = [], a
        while t < b:
            stop = min(t + SLOT - t % SLOT, b)
            lam = self.rate * (stop - t) * self.shape(*local((t + stop) / 2, self.offset)) * scale((t + stop) / 2)
            for _ in range(poisson(rng, lam * rng.gammavariate(1 / self.noise, self.noise)) if lam > 0 else 0):
                at, session = t + rng.random() * (stop - t), rng.getrandbits(32)
                out.append((at, session))
                if self.calls > 1:
                    for _ in range(min(60, int(rng.expovariate(1 / (self.calls - 1)) + .5))):
                        at += rng.expovariate(1 / self.think)
                        out.append((at, session))
            t = stop
        return out


class Job:
    """A run a day at a local hour on some weekdays: about `calls` calls, `gap` seconds apart."""

    def __init__(self, hour, calls, gap, offset, days=range(7), spread=.25, late=240):
        self.hour, self.calls, self.gap, self.offset, self.days, self.spread, self.late = hour, calls, gap, offset, set(days), spread, late

    def times(self, rng, a, b, scale):
        out, at = [], (self.hour - self.offset) % 24 * HOUR
        for day in range(int((a - at) // DAY) - 1, int((b - at) // DAY) + 1):
            start = day * DAY + at
            if a <= start < b and local(start, self.offset)[1] in self.days:
                n, t = int(self.calls * scale(start) * rng.lognormvariate(0, self.spread) + .5), start + rng.uniform(0, self.late)
                for _ in range(n):
                    t += rng.expovariate(1 / self.gap)
                    out.append((t, day))
        return out


class Tick:
    """Like clockwork: every `period` seconds, `calls` calls in a row."""

    def __init__(self, period, calls=1, jitter=.02, gap=.4):
        self.period, self.calls, self.jitter, self.gap = period, calls, jitter, gap

    def times(self, rng, a, b, scale):
        out, k = [], math.ceil(a / self.period)
        while k * self.period < b:
            at = k * self.period + self.period * self.jitter * rng.random()
            n = scale(at)
            for i in range(int(self.calls * n + rng.random()) if n else 0):
                out.append((at + i * self.gap, k))
            k += 1
        return out


class Heaps:
    """Something happens elsewhere and calls come in a heap: `per_day` heaps of a log-normal size around `size`."""

    def __init__(self, per_day, size, shape, offset, gap=.3):
        self.flow, self.size, self.gap = Flow(per_day, shape, offset), size, gap

    def times(self, rng, a, b, scale):
        out = []
        for at, session in self.flow.times(rng, a, b, scale):
            for _ in range(1 + min(400, int(self.size * rng.lognormvariate(-.4, .9)))):
                out.append((at, session))
                at += rng.expovariate(1 / self.gap)
        return out
