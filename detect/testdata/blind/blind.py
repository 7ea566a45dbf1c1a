#!/usr/bin/env python3
"""Episode families written without having read the detectors, on the customers and networks of the shared scenario generator.

    TOLLKEEPER_SHARED=../shared blind.py --seed 7 --out DIR [--keys 200] [--days 21]

They are a check of detection from outside: seeds 901 and 902 were looked at later, 903 and 904 only in total. `expect` means what it means in scenario.py.
"""
import argparse
import json
import os
import random

import flags
import honest
import theft
from parts import s

DAY, ONE = s.DAY, s.ONE
WARMUP = 7  # days without episodes
MOST = ("server", "fleet", "cron", "desk", "llm")
ANY = MOST + ("mobile",)
HOSTED = ("server", "fleet", "llm")

# Family -> the kinds of customers it fits. Episodes of several customers, and the honest mirrors of thefts, are dealt out in build.
EPISODES = {f.__name__: (f, kinds) for f, kinds in (
    (theft.slow_boil, ANY), (theft.provider_rotation, ANY), (theft.ua_copier, MOST), (theft.neighbour_thief, ANY), (theft.shuffled_harvest, ANY),
    (theft.uuid_harvest, MOST), (theft.night_thief, ("desk", "server", "fleet")), (theft.mass_delete, ANY), (theft.bulk_export, MOST),
    (theft.costly_model, ("llm", "server", "desk")), (theft.many_thieves, MOST), (theft.public_leak, MOST), (theft.admin_slow_probe, ANY), (theft.replayer, MOST),
    (theft.stuffing_proxy, ("server", "fleet", "mobile")), (theft.order_fraud, MOST), (theft.app_key_extracted, ("mobile",)), (theft.patient_walker, MOST),
    (theft.sleeper_wake, ("dormant",)),
    (flags.team_sharing, ("desk", "llm")), (flags.class_room, ("desk", "llm")), (flags.quota_hog, ("server", "cron", "fleet", "llm")),
    (flags.retry_after_deploy, ("server", "fleet", "llm", "cron")), (flags.quiet_leak, MOST), (flags.denied_loop, ("server", "cron")),
    (flags.weekend_insider, ("desk", "server")),
    (honest.cloud_move_overlap, ("server", "cron", "fleet", "llm")), (honest.blue_green, HOSTED), (honest.autoscale_burst, ("fleet", "server")),
    (honest.ipv6_privacy, ("desk",)), (honest.mobile_workforce, ("desk",)), (honest.ci_pipeline, ("server", "desk", "llm", "fleet")),
    (honest.region_failover, ("server", "fleet", "llm", "cron")), (honest.dst_shift, ("cron", "desk", "server", "mobile")),
    (honest.sdk_upgrade, ("server", "fleet", "cron")), (honest.new_feature, ("server", "fleet", "mobile")),
    (honest.seasonal_sale, ("server", "fleet", "mobile", "llm")), (honest.vpn_exit_change, ("desk",)), (honest.load_test, HOSTED),
    (honest.pagination_backfill, ("server", "cron", "fleet")), (honest.new_employee, ("desk", "server", "llm")), (honest.fresh_key, ANY),
    (honest.owner_returns, ("dormant",)))}


def build(seed, keys, days):
    rng = random.Random("blind/%d" % seed)
    horizon = days * DAY
    customers = [s.Customer(random.Random("blind/%d/%d" % (seed, i)), i, 1.0) for i in range(keys)]
    incidents = [(t, t + rng.uniform(900, 2400), rng.uniform(.2, .5)) for t in
                 (rng.uniform(2, WARMUP) * DAY, rng.uniform(WARMUP + 1, days - 1) * DAY)]
    for c in customers:
        c.segments.append((c.base, 0, horizon if c.kind != "dormant" else rng.uniform(.5, 2.5) * DAY, ONE))
    in_group = groups(customers, rng, days, horizon, incidents)
    # Each customer gets the family that fits and was used least so far; a third keeps an ordinary life.
    used = {n: rng.random() for n in sorted(EPISODES)}
    order = list(customers)
    rng.shuffle(order)
    for c in order:
        if id(c) in in_group or rng.random() > (.9 if c.kind == "dormant" else .62):
            continue
        name = min((n for n in sorted(EPISODES) if c.kind in EPISODES[n][1]), key=lambda n: used[n])
        if EPISODES[name][0](c, c.rng, start(rng, days), horizon) is not False:
            used[name] += 1
    mirrors(customers, random.Random("blind/later/%d" % seed), days, horizon)
    return customers, incidents


def start(rng, days):
    return rng.uniform(WARMUP + .5, days - 2.5) * DAY


def groups(customers, rng, days, horizon, incidents):
    """Episodes of several customers at once; returns who is in one."""
    free = [c for c in customers if c.kind in MOST]
    rng.shuffle(free)
    taken = set()

    def take(kinds, n):
        got = [c for c in free if c.kind in kinds][:n]
        for c in got:
            free.remove(c)
        taken.update(id(c) for c in got)
        return got

    for _ in range(2):
        theft.account_sweep(take(("server", "desk", "llm", "cron"), rng.randint(2, 3)), rng, start(rng, days), horizon)
    honest.integrator_onboard(take(MOST, 5), rng, start(rng, days), horizon)
    honest.outage_retry(take(HOSTED, 5), rng, *incidents[1][:2])
    return taken


def mirrors(customers, rng, days, horizon):
    """Three customers each for what looks like a theft and is not, out of those that have had nothing."""
    rest = [c for c in customers if not c.labels and c.kind in HOSTED + ("desk",)]
    rng.shuffle(rest)
    for episode in (honest.warehouse_sync, honest.outside_load_test, honest.partner_orders):
        for c in [rest.pop() for _ in range(3) if rest]:
            episode(c, c.rng, start(rng, days), horizon)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--keys", type=int, default=200)
    ap.add_argument("--days", type=int, default=21)
    a = ap.parse_args()
    customers, incidents = build(a.seed, a.keys, a.days)
    total, labels = s.write(customers, incidents, a.out, a.days)
    with open(os.path.join(a.out, "keys.json"), "w") as f:  # again, since a key that was made in the middle of the log has another day
        json.dump([{"key_id": c.key_id, "plan": c.plan, "created_at": s.iso(getattr(c, "created", 0))} for c in customers], f, indent=1)
    print("%d events, %d keys, %d labels in %s" % (total, len(customers), len(labels), a.out))


if __name__ == "__main__":
    main()
