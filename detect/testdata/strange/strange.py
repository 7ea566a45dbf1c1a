#!/usr/bin/env python3
"""A second set of families written without having read the detectors: other customers, other products, other thieves, none of them worked on.

    TOLLKEEPER_SHARED=../shared strange.py --seed 7 --out DIR [--keys 260] [--days 0]

Writes events.jsonl.gz, keys.json and labels.json as the shared scenario.py does. `expect` means what it means there; where a reviewer with the log alone could not say, it is `flag`.
Only the standard library is needed, and the same seed gives the same bytes.
"""
import argparse
import gzip
import json
import os
import random
from datetime import datetime, timedelta, timezone

import flags
import honest
import theft
from customers import Customer
from places import DAY, HOUR
from products import PRODUCTS

LENGTHS = [16, 28, 12, 22]  # days, by seed
BEGINS = ["2026-01-05", "2025-06-02", "2026-04-27", "2025-12-08"]  # Mondays
FLOW = ("server", "notify", "llm", "graph", "analyst", "map", "cloud", "saas")
# Family -> the kinds of customers that it fits, and their products where not all do.
EPISODES = {f.__name__: (f, kinds, products) for f, kinds, products in (
    (theft.sleep_injection, ("batch", "few", "nat", "saas", "analyst", "map", "server"), ("crm", "data", "shop", "geo", "pay")),
    (theft.deep_paging, ("batch", "few", "nat", "saas", "analyst", "etl", "poller", "cloud"), ("crm", "pay", "data", "cloud")),
    (theft.sms_pumping, ("notify", "few"), ("sms",)), (theft.mail_blast, ("notify", "few"), ("mail",)), (theft.card_testing, ("tills", "server", "few", "batch"), ("pay",)),
    (theft.alias_brute, ("graph",), None), (theft.miner_fleet, ("cloud", "poller"), ("cloud",)), (theft.tenant_hopping, ("saas",), None), (theft.small_key_abroad, ("few", "batch"), None),
    (theft.llmjack, ("llm", "idle"), ("llm",)), (theft.hash_exfil, ("nat", "server", "batch", "few"), ("files",)), (theft.ransom_rewrite, ("nat", "server", "batch", "few"), ("files",)),
    (theft.otp_bombing, ("server", "idle"), ("ident",)), (theft.secrets_grab, ("vault", "server"), ("vault",)),
    (theft.take_the_account, ("batch", "few", "server", "etl", "notify", "poller", "llm", "hooks", "graph"), None),
    (flags.query_from_hell, ("analyst",), None), (flags.key_in_front_end, ("map", "graph", "server"), ("geo", "graph", "shop")), (flags.dormant_touch, ("idle",), None),
    (flags.context_snowball, ("llm",), None), (flags.tile_hoarding, ("map",), None), (flags.promo_hunters, ("app",), None), (flags.signup_farm, ("app",), None),
    (flags.second_company, ("few", "server", "saas"), ("crm", "pay", "files")),
    (honest.month_end, ("batch",), None), (honest.long_weekend, ("few", "nat", "notify", "tills", "server"), None), (honest.weekly_rotation, FLOW, None), (honest.regional_launch, ("app",), None),
    (honest.tv_spot, ("app",), None), (honest.lte_backup, ("few", "nat"), None), (honest.tenant_wave, ("saas",), None), (honest.hook_redelivery, ("hooks",), None),
    (flags.cursor_reset, ("etl",), None), (honest.model_upgrade, ("llm",), None), (honest.eval_run, ("llm",), None), (honest.dual_stack, ("server", "etl", "notify", "map"), None),
    (honest.synthetic_checks, ("server", "map", "poller", "graph", "cloud"), None), (honest.store_opening, ("tills",), None), (flags.dunning_run, ("tills", "batch", "server"), ("pay",)),
    (flags.campaign, ("notify",), None), (flags.privacy_cleanup, ("batch", "server", "nat"), ("files",)), (honest.terraform_apply, ("cloud",), None),
    (honest.feast_month, ("server", "notify", "graph", "map"), None), (honest.election_night, ("few", "graph", "map"), None), (honest.offices_own_script, ("nat",), None),
    (honest.field_days, ("few",), None))}


class World:
    def __init__(self, seed, keys, days):
        rng = random.Random("strange/%d" % seed)
        self.days = days or LENGTHS[seed % 4]
        self.epoch = datetime.fromisoformat(BEGINS[seed % 4]).replace(tzinfo=timezone.utc)
        name = [lambda i: "app-%08x" % (i * 2654435761 % 2 ** 32), lambda i: "%d" % (7_000_000 + 37 * i), lambda i: "sub-%04d-%s" % (i, "prod" if i % 3 else "test")][seed % 3]
        self.customers = [Customer(random.Random("strange/%d/%d" % (seed, i)), i, name(i), self.days) for i in range(keys)]
        self.warmup = self.days * rng.uniform(.25, .4)
        t = rng.uniform(self.warmup + 1, self.days - 2) * DAY
        self.outage = (t, t + rng.uniform(1, 5) * HOUR, rng.uniform(.7, .98))
        t = rng.uniform(self.warmup, self.days - 2.5) * DAY
        self.slow = (t, t + rng.uniform(1, 2.2) * DAY, rng.uniform(5, 25), rng.choice(sorted(PRODUCTS)))
        self.deal(rng)

    def start(self, rng, c):
        """Some episodes meet a key of a few days, and half are early enough to run for long."""
        return rng.uniform(max(self.warmup, c.born / DAY + 2.5), self.days - (2.2 if rng.random() < .5 else .8)) * DAY

    def deal(self, rng):
        order = list(self.customers)
        rng.shuffle(order)
        crowd = [c for c in order if c.kind in FLOW][:14]
        honest.outage_catchup(crowd, rng, *self.outage[:2])
        honest.slow_days([c for c in order if c.product == self.slow[3] and c not in crowd][:6], *self.slow[:2])
        used = {n: rng.random() for n in EPISODES}
        for c in order:
            if c.labels or rng.random() > (.9 if c.kind in ("app", "idle", "tills") else .52):
                continue
            fits = [n for n, (_, kinds, products) in EPISODES.items() if c.kind in kinds and (products is None or c.product in products)]
            for n in sorted(fits, key=used.get):
                more = {"heirs": [x for x in order if not x.labels and x is not c and x.kind == "idle"]} if n == "weekly_rotation" else {}
                if more and not more["heirs"]:
                    continue
                if EPISODES[n][0](c, c.rng, self.start(rng, c), **more) is not False:
                    used[n] += 1
                    break

    def sky(self, rng, t, work, row):
        """Our own troubles: an outage of everything, and a product that is slow for days."""
        m, path, status, out, ms, u, into = row
        a, b, share = self.outage
        if a <= t < b and rng.random() < share:
            return m, path, rng.choice([500, 502, 503, 503]), 150, rng.choice([3, 30000]) * rng.uniform(.8, 1.1), None, into
        a, b, factor, product = self.slow
        return m, path, status, out, ms * factor if a <= t < b and work.product == product else ms, u, into

    def records(self):
        """(time, customer, row) in order of time, a day in memory at most."""
        clients = [(c, k, random.Random("%s/%d" % (c.key, j))) for c in self.customers for j, k in enumerate(c.clients)]
        late = []
        for hour in range(0, self.days * 24, 6):
            a, b = hour * HOUR, (hour + 6) * HOUR
            for c, k, rng in clients:
                late += [(r[0], c.i, i, c, r) for i, r in enumerate(k.rows(rng, a, b, self.sky))]
            late.sort(key=lambda x: x[:3])
            yield from ((t, c, r) for t, _, _, c, r in late if t < b)
            late = [x for x in late if x[0] >= b]


def write(world, out):
    os.makedirs(out, exist_ok=True)
    iso = lambda t: (world.epoch + timedelta(milliseconds=int(t * 1000))).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: E731
    with open(os.path.join(out, "keys.json"), "w") as f:
        json.dump([{"key_id": c.key, "plan": c.plan, "created_at": iso(c.born)} for c in world.customers], f, indent=1)
    labels = [{"key_id": c.key, "family": n, "expect": e, "start": iso(a), "end": iso(b)} for c in world.customers for n, e, a, b in c.labels]
    with open(os.path.join(out, "labels.json"), "w") as f:
        json.dump(sorted(labels, key=lambda x: x["start"]), f, indent=1)
    total = 0
    with gzip.GzipFile(os.path.join(out, "events.jsonl.gz"), "wb", 3, mtime=0) as f:
        for t, c, (_, m, path, status, size, ms, u, into, ip, agent) in world.records():
            rec = {"time": iso(t), "request_id": "%08x-%04x" % (total * 2654435761 % 2 ** 32, total & 0xffff), "key_id": c.key, "method": m, "host": PRODUCTS[c.product][0], "path": path, "status": status,
                   "latency_ms": round(ms, 1), "request_bytes": into, "response_bytes": size, "client_ip": ip, "user_agent": agent}
            if u:
                rec["units"] = u
            f.write(json.dumps(rec, separators=(",", ":")).encode() + b"\n")
            total += 1
    return total, len(world.customers), len(labels)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--keys", type=int, default=260)
    ap.add_argument("--days", type=int, default=0, help="0: between 12 and 28, by the seed")
    a = ap.parse_args()
    print("%d events, %d keys, %d labels in %s" % (*write(World(a.seed, a.keys, a.days), a.out), a.out))


if __name__ == "__main__":
    main()
