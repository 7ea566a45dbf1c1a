"""Local time with daylight saving, and the rhythms in which clients call."""
import math
from datetime import date, timedelta

DAY, HOUR = 86400, 3600
# country: hours from UTC, rule of daylight saving
ZONES = {
    "US": (-5, "us"), "CA": (-5, "us"), "BR": (-3, ""), "AR": (-3, ""), "CL": (-3, ""), "MX": (-6, ""), "CO": (-5, ""), "GB": (0, "eu"), "IE": (0, "eu"),
    "FR": (1, "eu"), "DE": (1, "eu"), "ES": (1, "eu"), "NL": (1, "eu"), "BE": (1, "eu"), "CH": (1, "eu"), "AT": (1, "eu"), "IT": (1, "eu"), "SE": (1, "eu"),
    "NO": (1, "eu"), "PL": (1, "eu"), "CZ": (1, "eu"), "SK": (1, "eu"), "GR": (2, "eu"), "RO": (2, "eu"), "UA": (2, "eu"), "EG": (2, ""), "IL": (2, ""),
    "TR": (3, ""), "SA": (3, ""), "KE": (3, ""), "ZA": (2, ""), "NG": (1, ""), "AE": (4, ""), "PK": (5, ""), "IN": (5.5, ""), "BD": (6, ""), "TH": (7, ""),
    "SG": (8, ""), "MY": (8, ""), "PH": (8, ""), "CN": (8, ""), "HK": (8, ""), "JP": (9, ""), "KR": (9, ""), "AU": (10, "au"), "NZ": (12, "au"), "RU": (3, ""),
}


def _sunday(year, month, nth):
    """The nth Sunday of a month, counted from the end when negative."""
    if nth > 0:
        d = date(year, month, 1)
        return d + timedelta((6 - d.weekday()) % 7 + 7 * (nth - 1))
    d = date(year, month, 31)
    return d - timedelta((d.weekday() + 1) % 7)


class Zone:
    """Local seconds of a country; t counts from `epoch`, a UTC midnight."""

    def __init__(self, country, epoch):
        self.offset, self.rule = ZONES.get(country, (0, ""))
        self.first = date(epoch.year, epoch.month, epoch.day)
        self.cache = {}

    def _summer(self, day):
        if day not in self.cache:
            d = self.first + timedelta(day)
            y = d.year
            self.cache[day] = {"eu": lambda: _sunday(y, 3, -1) <= d < _sunday(y, 10, -1), "us": lambda: _sunday(y, 3, 2) <= d < _sunday(y, 11, 1),
                               "au": lambda: not _sunday(y, 4, 1) <= d < _sunday(y, 10, 1), "": lambda: False}[self.rule]()
        return self.cache[day]

    def local(self, t):
        """Hour of the day and weekday (Monday 0)."""
        s = t + self.offset * HOUR + (HOUR if self._summer(int(t // DAY)) else 0)
        return s % DAY / HOUR, int(s // DAY + self.first.weekday()) % 7


def poisson(rng, lam):
    if lam > 80:
        return max(0, round(rng.gauss(lam, math.sqrt(lam))))
    limit, k, p = math.exp(-lam), 0, rng.random()
    while p > limit:
        k, p = k + 1, p * rng.random()
    return k


# Shapes over the local day, with a mean of about 1.
def always(hour, weekday):
    return 1.0


def daylight(depth=0.7, weekend=0.8, peak=15):
    return lambda h, w: (1 + depth * math.cos((h - peak) / 24 * 2 * math.pi)) * (weekend if w > 4 else 1)


def business(h, w):
    return (3.4 if 9 <= h < 12 or 13 <= h < 18 else 0.5 if 7 <= h < 21 else 0) if w < 5 else 0.02


def evenings(h, w):
    return 2.6 if 17 <= h < 24 else 0.5 if h > 8 else 0.15


def weekends(h, w):
    return (5.5 if 8 <= h < 23 else 0.6) if w > 4 else 0.0


class Flow:
    """Single calls at random."""

    def __init__(self, per_day, shape, zone, noise=0.2):
        self.per_day, self.shape, self.zone, self.noise = per_day, shape, zone, noise

    def times(self, rng, a, b, gate):
        """Times in [a, b), with a number that calls of one visit share."""
        top = max(gate(a), gate((a + b) / 2), gate(b - 1))
        if top <= 0:
            return
        h, w = self.zone.local((a + b) / 2)
        lam = self.per_day * (b - a) / DAY * self.shape(h, w) * top
        if self.noise:
            lam *= rng.lognormvariate(-self.noise ** 2 / 2, self.noise)
        for _ in range(poisson(rng, lam)):
            t = a + rng.random() * (b - a)
            if rng.random() * top < gate(t):
                yield t, rng.getrandbits(30)


class Visits:
    """Sessions of people or workflows: some calls with pauses between."""

    def __init__(self, per_day, shape, zone, length=8, pause=4.0):
        self.flow, self.length, self.pause = Flow(per_day / length, shape, zone, 0.3), length, pause

    def times(self, rng, a, b, gate):
        for t, session in self.flow.times(rng, a, b, gate):
            for _ in range(1 + min(int(rng.expovariate(1 / self.length)), 20 * self.length)):
                yield t, session
                t += rng.lognormvariate(math.log(self.pause), 1)


class Job:
    """Runs at a local time of day (or every `every` hours), on some weekdays, for `calls` calls in a row."""

    def __init__(self, zone, hour, calls, every=24, weekdays=range(7), gap=0.4, jitter=40):
        self.zone, self.hour, self.calls, self.every, self.weekdays, self.gap, self.jitter = zone, hour, calls, every, set(weekdays), gap, jitter

    def times(self, rng, a, b, gate):
        h, w = self.zone.local(a)
        if w not in self.weekdays or (h - self.hour) % self.every >= (b - a) / HOUR or gate(a) <= 0:
            return
        t, session = a + abs(rng.gauss(0, self.jitter)), rng.getrandbits(30)
        for _ in range(max(1, round(self.calls * rng.lognormvariate(0, 0.2) * gate(a)))):
            yield t, session
            t += rng.expovariate(1 / self.gap)


class Bursts:
    """Something happens elsewhere, and calls come in heaps of any size."""

    def __init__(self, per_day, shape, zone, size=6):
        self.flow, self.size = Flow(per_day / size / 2, shape, zone, 0.5), size

    def times(self, rng, a, b, gate):
        for t, session in self.flow.times(rng, a, b, gate):
            for _ in range(min(int(self.size * rng.paretovariate(1.4) / 1.6) + 1, 400)):
                yield t, session
                t += rng.expovariate(3)
