#!/usr/bin/env python3
"""Hidden families: what an examiner would add to the shared scenario generator, written without having read the detectors.

    TOLLKEEPER_SHARED=../shared hidden.py --seed 7 --out DIR [--keys 200] [--days 21]
    TOLLKEEPER_SHARED=../shared hidden.py --seed 7 --check

Customers and networks are the shared ones; `expect` means what it means in scenario.py. Each family has two to four episodes. --check writes
nothing and tells whether every label has the calls it speaks of.
"""
import argparse
import random
import sys
from itertools import zip_longest

import benign
import flag
import suspend
from check import check
from parts import DAY, ONE, s

WARMUP = 7  # days without episodes
EPISODES = {**suspend.EPISODES, **flag.EPISODES, **benign.EPISODES}


def build(seed, keys, days):
    rng = random.Random("hidden/%d" % seed)
    horizon = days * DAY
    customers = [s.Customer(random.Random("hidden/%d/%d" % (seed, i)), i, 1.0) for i in range(keys)]
    incidents = [(t, t + rng.uniform(900, 2400), rng.uniform(.2, .5)) for t in
                 (rng.uniform(2, WARMUP) * DAY, rng.uniform(WARMUP + 1, days - 1) * DAY)]
    for c in customers:
        c.segments.append((c.base, 0, horizon if c.kind != "dormant" else rng.uniform(.5, 2.5) * DAY, ONE))
    free = list(customers)
    rng.shuffle(free)

    def take(kinds, n, least=0):
        got = [c for c in free if c.kind in kinds and c.per_day >= least][:n]
        for c in got:
            free.remove(c)
        return got

    def start():
        return rng.uniform(WARMUP + .5, days - 2.5) * DAY

    ring, kinds = suspend.GROUPS["key_ring"]
    ring(take(kinds, rng.randint(3, 4)), rng, start(), horizon)
    retries, kinds = benign.GROUPS["outage_retries"]
    retries(take(kinds, rng.randint(3, 4), 400), rng, *incidents[1][:2])
    # Families that fit few kinds of customers choose first. A family that a customer does not suit (it returns False, and has done nothing) asks the next.
    for name in sorted(EPISODES, key=lambda n: (len(EPISODES[n][1]), n)):
        episode, kinds = EPISODES[name]
        left = rng.choice([2, 3, 3, 4])
        for c in turns(rng, [c for c in free if c.kind in kinds]):
            if left and episode(c, c.rng, start(), horizon) is not False:
                free.remove(c)
                left -= 1
    return customers, incidents


def turns(rng, customers):
    """The customers, the kinds in turn."""
    by_kind = {}
    for c in customers:
        by_kind.setdefault(c.kind, []).append(c)
    rows = list(by_kind.values())
    rng.shuffle(rows)
    return [c for row in zip_longest(*rows) for c in row if c]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", help="folder to write to")
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--keys", type=int, default=200)
    ap.add_argument("--days", type=int, default=21)
    a = ap.parse_args()
    customers, incidents = build(a.seed, a.keys, a.days)
    if a.check:
        wrong = check(customers, incidents, sorted([*EPISODES, *suspend.GROUPS, *benign.GROUPS]), a.days * DAY)
        sys.exit("\n".join(wrong) if wrong else 0)
    if not a.out:
        ap.error("--out names the folder to write to")
    total, labels = s.write(customers, incidents, a.out, a.days)
    print("%d events, %d keys, %d labels in %s" % (total, len(customers), len(labels), a.out))


if __name__ == "__main__":
    main()
