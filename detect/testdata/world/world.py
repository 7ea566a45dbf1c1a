#!/usr/bin/env python3
"""Traffic of a platform that has nothing in common with the shared generator's: see README.md.

    world.py --seed 7 --out DIR [--keys 420] [--days 18] [--scale 0.8]

Writes events.jsonl.gz, keys.json and labels.json as the shared scenario.py does, so that its score.py and `tollkeeper backtest`
read them. Only the standard library is needed, the same seed gives the same bytes, and memory does not grow with the days.
"""
import argparse
import gzip
import heapq
import json
import math
import os
import random
from datetime import datetime, timedelta, timezone

import api
import clock
import honest
import net
import people
import theft

DAY, HOUR = clock.DAY, clock.HOUR
EPOCHS = ["2026-03-18", "2025-10-09", "2026-06-02", "2025-11-12", "2024-02-21", "2026-10-21"]  # some of them with a change to or from summer time
LENGTHS = [18, 20, 14, 26, 18, 35]
WATCHED = 7  # days before the first episode


class World:
    def __init__(self, seed, keys, days, scale):
        rng = self.rng = random.Random("world %d" % seed)
        self.seed, self.days, self.scale = seed, days or LENGTHS[seed % len(LENGTHS)], scale
        self.epoch = datetime.fromisoformat(EPOCHS[seed % len(EPOCHS)]).replace(tzinfo=timezone.utc)
        self.end = self.days * DAY
        self.products = rng.sample(sorted(api.PRODUCTS), 3)
        self.countries = rng.sample(sorted({n.country for n in net.find("isp")} & set(clock.ZONES)), 14)
        self.integrator = (net.Fixed(rng, rng.choice(net.find("cloud")), 12), ["Zapier", "make/production"])
        self.runners = [n for n in net.find("cloud") if n.asn == 8075]
        self.style = rng.choice(["uuid", "ulid", "hex", "none", "trace"])
        self.heirs = []
        self.customers = [people.Customer(self, i) for i in range(keys)]
        self.outages = sorted((t, t + rng.uniform(600, 4000), rng.choice(self.products), rng.uniform(0.3, 0.95)) for t in [rng.uniform(3, self.days - 1) * DAY for _ in range(3)])
        self.episodes(rng)
        self.crowds(rng)

    def key_name(self, rng, i):
        return ("%010x" % rng.getrandbits(40), "%08d" % (i * 7919 % 10 ** 8), "team-%x/app-%d" % (rng.getrandbits(20), i))[self.seed % 3]

    def heir(self, c, t0):
        """Another key of the same customer, new."""
        h = people.Customer(self, len(self.customers) + len(self.heirs) + 1000)
        h.born, h.labels, h.clients, h.country, h.zone = t0, [], [], c.country, c.zone
        self.heirs.append(h)
        return h

    def quiet(self, c, n):
        free = [x for x in self.customers if x is not c and not x.labels and x.per_day < 60 and x.kind in ("backend", "developer", "nightly", "hooks")]
        return free[:n]

    def episodes(self, rng):
        """A third of the customers get one episode: of these three fifths are honest."""
        count = {}
        for c in self.customers:
            if c.labels or rng.random() > (0.8 if c.kind in ("sleeper", "app") else 0.4):
                continue
            table = honest.EPISODES if rng.random() < (0.3 if c.kind == "sleeper" else 0.55) else theft.EPISODES
            fits = [n for n, e in sorted(table.items()) if c.kind in e[1] and (len(e) < 3 or e[2] is None or c.product in e[2])]
            if not fits:
                continue
            rng.shuffle(fits)
            name = min(fits, key=lambda n: count.get(n, 0))
            count[name] = count.get(name, 0) + 1
            last = max(self.days - 2.5, WATCHED + 0.5)
            table[name][0](c, c.rng, rng.uniform(WATCHED, last) * DAY, self)

    def crowds(self, rng):
        """What meets many customers at once."""
        free = [c for c in self.customers if not c.labels]
        rng.shuffle(free)
        # A day of sales: many are busier, some are throttled.
        t0 = math.floor(rng.uniform(WATCHED, self.days - 2)) * DAY + 6 * HOUR
        for c in free[:len(free) // 4]:
            for client in c.clients:
                client.cut(t0, t0 + 16 * HOUR, rng.uniform(2, 9))
                client.work = api.Failing(client.work, 429, lambda t, s: 0.08 if t0 <= t < t0 + 16 * HOUR else 0.0)
            c.label("sales_day", "benign", t0, t0 + 16 * HOUR)
        # The address data change: a network is another's from now on, in another country.
        sold, t1 = {}, rng.uniform(WATCHED, self.days - 2) * DAY
        for c in free[len(free) // 4:]:
            old = c.base.source.nets[0]
            if isinstance(c.base.source, net.Fixed) and (old.asn, old.country) not in sold and len(sold) < 2 and old.kind != "cdn":
                sold[old.asn, old.country] = rng.choice(net.find(old.kind, unlike=[old.asn]))
            new = sold.get((old.asn, old.country))
            if new and isinstance(c.base.source, net.Fixed):
                honest.move(c, t1, 1e12, net.Fixed(rng, new, len(c.base.source.ips)))
                c.label("address_data", "benign", t1, self.end)
        # Somebody tries keys that do not exist.
        t2 = rng.uniform(WATCHED, self.days - 1) * DAY
        self.guesser = (t2, t2 + 2 * HOUR, rng.choice(net.find("host")).ip(rng))

    def request_id(self, n):
        if self.style == "none":
            return None
        h = (n + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
        return {"uuid": api.spell("uuid", n + 1), "hex": "%016x" % h, "trace": "00-%016x%016x-%016x-01" % (h, n, h ^ n), "ulid": "01J%023X" % (n << 20 | h & 0xfffff)}[self.style]

    def records(self):
        """(time, key, record) in order of time; one hour at a time."""
        clients = [(c, k, random.Random("%d %d %d" % (self.seed, i, j))) for i, c in enumerate(self.customers + self.heirs) for j, k in enumerate(c.clients)]
        pending, number = [], 0
        for hour in range(self.days * 24):
            a, b = hour * HOUR, (hour + 1) * HOUR
            for c, k, rng in clients:
                if k.start < b and k.end > a:
                    for t, session in k.pace.times(rng, a, b, k.gate):
                        if k.start <= t < k.end:
                            number += 1
                            heapq.heappush(pending, (t, number, c, k, rng, session, 0))
            while pending and pending[0][0] < b:
                t, _, c, k, rng, session, tries = heapq.heappop(pending)
                host, method, path, status, size, ms, units = k.work.draw(rng, t, session)
                for s, e, product, share in self.outages:
                    if s <= t < e and product == k.work.product and rng.random() < share:
                        status, size, units = rng.choice([500, 502, 503]), 120, None
                if (status >= 500 or status in (401, 429)) and tries < 4 and rng.random() < k.retries:
                    number += 1
                    heapq.heappush(pending, (t + 0.5 * 2 ** tries * rng.uniform(0.5, 1.5), number, c, k, rng, session, tries + 1))
                if t < self.end:
                    yield t, c.key, (method, host, path, status, ms, size, k.source.pick(rng, t, session), k.agent(session), units)
            if self.guesser[0] < b and self.guesser[1] > a:
                yield from self.guesses(max(a, self.guesser[0]), min(b, self.guesser[1]))

    def guesses(self, a, b):
        host, calls = api.PRODUCTS[self.products[0]]
        t = b - 0.001 * 400
        while t < b and b > a:  # at the end of the hour, since records go in order of time
            t += 0.001
            yield t, self.key_name(random.Random(t), 90_000_000 + int(t * 1000) % 9_000_000), ("GET", host, "/", 401, 2.0, 90, self.guesser[2], "Go-http-client/1.1", None)


def write(world, out):
    os.makedirs(out, exist_ok=True)
    iso = lambda t: (world.epoch + timedelta(seconds=t)).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: E731
    people_ = world.customers + world.heirs
    with open(os.path.join(out, "keys.json"), "w") as f:
        json.dump([{"key_id": c.key, "plan": c.plan, "created_at": iso(c.born)} for c in people_], f, indent=1)
    labels = sorted((dict(x, start=iso(x["start"]), end=iso(min(x["end"], world.end))) for c in people_ for x in c.labels if x["start"] < world.end), key=lambda x: x["start"])
    with open(os.path.join(out, "labels.json"), "w") as f:
        json.dump(labels, f, indent=1)
    total, zero = 0, world.epoch
    with gzip.GzipFile(os.path.join(out, "events.jsonl.gz"), "wb", 3, mtime=0) as f:
        for t, key, (method, host, path, status, ms, size, ip, agent, units) in world.records():
            total += 1
            rec = {"time": (zero + timedelta(milliseconds=int(t * 1000))).isoformat(timespec="milliseconds").replace("+00:00", "Z"), "key_id": key, "method": method, "host": host, "path": path,
                   "status": status, "latency_ms": round(ms, 1), "request_bytes": 240 + 2 * len(path), "response_bytes": size, "client_ip": ip, "user_agent": agent}
            rid = world.request_id(total)
            if rid:
                rec["request_id"] = rid
            if units:
                rec["units"] = units
            f.write(json.dumps(rec, separators=(",", ":")).encode() + b"\n")
    return total, len(people_), len(labels)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--keys", type=int, default=420)
    ap.add_argument("--days", type=int, default=0, help="0: between 14 and 35, by the seed")
    ap.add_argument("--scale", type=float, default=0.8)
    a = ap.parse_args()
    total, keys, labels = write(World(a.seed, a.keys, a.days, a.scale), a.out)
    print("%d events, %d keys, %d labels in %s" % (total, keys, labels, a.out))


if __name__ == "__main__":
    main()
