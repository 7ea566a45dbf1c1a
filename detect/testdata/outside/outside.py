#!/usr/bin/env python3
"""Customers of API companies, what they change and what is done to them, written without having read the detectors.

    outside.py --seed 7 --out DIR

Writes what the shared scenario.py writes; `expect` means what it means there. README.md says what each family is.
"""
import argparse
import gzip
import inspect
import json
import os
import random
from datetime import datetime, timedelta, timezone

import doubt
import honest
import theft
import theft2
from catalog import Platform, word
from customers import SHAPES, Customer
from places import DAY, Fleet, Nat

DAYS, QUIET = 14, 7.2  # thefts begin after QUIET days
HOSTED = ("backend", "functions", "batch", "poller", "devices")
SERVERS = ("backend", "batch", "poller")
EVERY = tuple(SHAPES)
ITEMS = ("crm", "shop", "track", "kyc", "pay", "ads", "iot", "sms", "conv", "mail")
# family -> products, shapes; nothing: any
THEFT = {
    theft.relay_resale: (("llm",), ()), theft.toll_numbers: (("sms",), ()), theft.bin_attack: (("pay",), ()), theft.who_has_account: (("sms", "pay", "kyc", "crm", "mail"), ()),
    theft.night_dump: (("crm", "shop", "ads", "kyc", "track"), ("backend", "batch")), theft.copied_key_at_home: (("crm", "mail", "kyc", "shop"), ()), theft.owned_box: (("crm", "shop", "pay", "ads", "kyc"), ("backend", "batch")),
    theft.extortion: (("crm", "shop", "conv", "iot", "ads"), ()), theft.allowance_burner: (("weather", "maps", "market", "shop"), SERVERS), theft.patient_tester: (ITEMS, HOSTED), theft.twin: (("crm", "shop", "track", "kyc", "pay"), ("backend",)),
    theft.drip: (("shop", "track", "crm", "ads"), SERVERS), theft.log_harvest: (ITEMS, ()), theft.phishing_run: (("mail",), ()), theft2.command_all: (("iot",), ()), theft2.sold_feed: (("market", "weather", "maps"), HOSTED),
    theft2.passport_haul: (("kyc",), ()), theft2.take_over_account: (("pay", "crm", "sms", "mail", "ads"), ()), theft2.refund_ring: (("pay",), ()), theft2.free_postage: (("track",), ("backend", "desk")), theft2.inner_ports: (("conv",), ()),
    theft2.app_key_script: (("track", "shop"), ("app",)), theft2.dear_history: (("weather", "market", "maps"), SERVERS + ("desk",)), theft2.fleet_to_steal: (("shop", "crm", "track", "ads"), ()), theft2.weekend_prompts: (("llm",), ())}
DOUBT = {
    doubt.key_in_page: (("maps", "weather", "shop", "llm"), ("backend",)), doubt.handed_round: (("llm", "market", "maps", "weather"), ("desk", "backend")), doubt.colleague_copies_all: (("crm", "kyc", "ads"), ("desk", "backend")),
    doubt.same_but_elsewhere: (EVERY, ("backend", "batch")), doubt.endless_loop: (EVERY, ("backend", "functions", "batch")), doubt.against_the_wall: (EVERY, ("backend", "functions")),
    doubt.uninvited_test: (EVERY, ("backend", "desk")), doubt.growing_context: (("llm",), ("backend", "functions")), doubt.abroad_by_night: (EVERY, ("desk", "backend"))}
LASTING = (theft.night_dump, theft.twin, theft.owned_box)  # fair only where the customer's own addresses last: a fleet has a new one every day
HONEST = {  # the last: whether it may come before a theft on the same key
    honest.rolling_deploy: (EVERY, ("backend", "functions"), 1), honest.to_other_cloud: (EVERY, ("backend", "batch"), 0), honest.branch_office: (EVERY, ("desk", "backend"), 0), honest.peak_days: (EVERY, (), 0),
    honest.product_launch: (EVERY, ("backend", "app"), 0), honest.backfill: (ITEMS, ("backend", "batch"), 1), honest.load_test: (EVERY, ("backend", "functions"), 1), honest.partner_feed: (EVERY, ("backend", "desk"), 0),
    honest.on_the_train: (EVERY, ("desk", "backend"), 1), honest.exercise: (EVERY, ("backend", "batch"), 1), honest.notebook: (EVERY, ("backend", "desk"), 1), honest.watcher_added: (EVERY, ("backend", "functions", "batch"), 1),
    honest.new_gateway: (EVERY, ("backend", "batch"), 1), honest.six_arrives: (EVERY, ("backend", "desk"), 1), honest.vpn_for_all: (EVERY, ("desk",), 0), honest.acquired: (EVERY, ("backend",), 0), honest.season_opens: (EVERY, ("backend", "app"), 0),
    honest.contractors: (EVERY, ("desk", "backend"), 0), honest.month_close: (("crm", "pay", "ads", "shop"), ("desk", "backend"), 0), honest.wider_fleet: (EVERY, ("backend",), 1), honest.route_gone: (EVERY, ("backend", "functions", "app"), 1),
    honest.longer_answers: (("llm",), ("backend", "functions"), 1), honest.free_days: (EVERY, (), 0), honest.app_update: (EVERY, ("app",), 1), honest.new_country: (EVERY, ("app",), 0)}


class Weather:
    """What the platform itself does: outages of single products, and the calendar."""

    def __init__(self, rng, epoch, products):
        self.epoch, self.wd = epoch, epoch.weekday()
        self.outages = [(p, t, t + rng.uniform(600, 2700), rng.uniform(.2, .6)) for p in rng.sample(sorted(products), 5) for t in (rng.uniform(1, DAYS - 1) * DAY,)]
        self.days = {}

    def failing(self, product, t):
        return next((p for name, a, b, p in self.outages if name == product and a <= t < b), 0)

    def day(self, t):
        n = int(t // DAY)
        if n not in self.days:
            self.days[n] = (self.epoch + timedelta(days=n - 1)).strftime("%Y-%m-%d")
        return self.days[n]


def build(seed):
    rng = random.Random("outside %d" % seed)
    platform = Platform(rng)
    env = Weather(rng, datetime(rng.randint(2024, 2026), rng.randint(1, 12), rng.randint(1, 28), tzinfo=timezone.utc), platform.products)
    customers, tag = [], rng.choice(["k_", "", "sk-", "cred", "ak_"])

    def customer(products=EVERY, shapes=(), lasting=False):
        name = rng.choice([p for p in products if not shapes or set(SHAPES[p]) & set(shapes)])
        own = random.Random("%d customer %d %x" % (seed, len(customers), rng.getrandbits(32)))
        c = Customer(own, platform, len(customers), platform.products[name], rng.choice([s for s in SHAPES[name] if not shapes or s in shapes]), DAYS * DAY)
        if lasting and isinstance(c.main.where, Fleet):
            return customer(products, shapes, lasting)
        c.wd, c.word = env.wd, word(own, 2)
        line = next((b.where for b in c.base if c.office in b.where.nets), None)
        c.office_line = lambda r: line or Nat(r, c.office, 1)
        c.key_id = "%s%012x" % (tag, rng.getrandbits(48))
        customers.append(c)
        return c
    todo = [(episode, where) for table in (THEFT, DOUBT) for episode, where in table.items() for _ in range(3)]
    rng.shuffle(todo)
    shared = []
    for k, (episode, where) in enumerate(todo):  # spread evenly: a platform on which a tenth of all keys is stolen in a day has other worries than which
        c = customer(*where, lasting=episode in LASTING)
        shared.append(c)
        c.then = (episode, (QUIET + .3 + (k + rng.random()) * (DAYS - 1.9 - QUIET) / len(todo)) * DAY)
    for episode, (products, shapes, early) in HONEST.items():
        for k in range(3):
            fit = [c for c in shared if early and c.then[1] > (QUIET + 2) * DAY and c.shape in (shapes or (c.shape,)) and c.product.name in products]
            if fit and k:
                c = rng.choice(fit)
                shared.remove(c)
                episode(c, c.rng, rng.uniform(5, QUIET - .7) * DAY)
            else:
                c = customer(products, shapes)
                episode(c, c.rng, rng.uniform(QUIET, DAYS - 4.5) * DAY)
    for c in customers:
        if hasattr(c, "then"):
            c.then[0](c, c.rng, c.then[1])
    for _ in range(rng.randint(75, 90)):  # most keys have no story
        customer().reshape(lambda t: .25)
    return customers, env


def write(customers, env, out, seed):
    os.makedirs(out, exist_ok=True)

    def iso(t):
        return (env.epoch + timedelta(milliseconds=round(t * 1000))).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with open(os.path.join(out, "keys.json"), "w") as f:
        json.dump([{"key_id": c.key_id, "plan": c.plan, "created_at": iso(c.created)} for c in sorted(customers, key=lambda c: c.key_id)], f, indent=1)
    labels = [{"key_id": c.key_id, "family": family, "expect": expect, "start": iso(a), "end": iso(min(b, DAYS * DAY))} for c in customers for family, expect, a, b in c.labels]
    with open(os.path.join(out, "labels.json"), "w") as f:
        json.dump(sorted(labels, key=lambda x: (x["start"], x["key_id"], x["family"])), f, indent=1)
    random_of = {c.key_id: random.Random("%d %s" % (seed, c.key_id)) for c in customers}
    total, late, ids = 0, [], random.Random("%d ids" % seed)
    prefix = "%08x" % ids.getrandbits(32)
    with gzip.open(os.path.join(out, "events.jsonl.gz"), "wt", compresslevel=3) as f:
        for day in range(DAYS):
            hi = (day + 1) * DAY
            rows, late = late, []
            for c in customers:
                for client in c.clients:
                    calls = []
                    client.emit(random_of[c.key_id], day * DAY, hi, env, calls)
                    rows += [(r, c) for r in calls]
            rows.sort(key=lambda r: (r[0][0], r[1].key_id))
            for row in rows:
                (at, method, path, status, size, ms, inn, units, ip, agent), c = row
                if at >= hi:
                    late.append(row)
                    continue
                rec = {"time": iso(at), "request_id": "%s%08x" % (prefix, total), "key_id": c.key_id, "method": method, "host": c.product.host, "path": path, "status": status, "latency_ms": round(ms, 1),
                       "request_bytes": inn, "response_bytes": size, "client_ip": ip, "user_agent": agent}
                if units:
                    rec["units"] = units
                f.write(json.dumps(rec, separators=(",", ":")) + "\n")
                total += 1
    return total, labels


def families():
    return {f.__name__: inspect.getdoc(f) for table in (THEFT, DOUBT, HONEST) for f in table}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    customers, env = build(a.seed)
    total, labels = write(customers, env, a.out, a.seed)
    print("%d events, %d keys, %d labels in %s" % (total, len(customers), len(labels), a.out))


if __name__ == "__main__":
    main()
