#!/usr/bin/env python3
"""Families after reports of incidents, on customers of their own, written without having read the detectors. See README.md.

    reports.py --seed 961 --out DIR

The networks are read from TOLLKEEPER_SHARED, or from ../shared beside the repository. The same seed gives the same bytes.
"""
import argparse
import gzip
import json
import os
import random
from datetime import datetime, timedelta, timezone

import doubt
import honest
import theft
from customers import KINDS, Customer, agents
from places import DAY, HOUR, Line
from services import SERVICES, Service

DAYS, QUIET, EACH = 15, 7.2, 4
ANY = tuple(SERVICES)
SERVERS, CALM = ("worker", "web", "cron"), ("web", "cron", "staff")
EPISODES = {  # services, kinds; nothing: any
    theft.worm_publish: (("registry",), ()), theft.vendor_breach: (("records",), ()), theft.contact_sync: (("points",), ("handsets",)), theft.gpu_squat: (("vision",), ()), theft.split_ring: (("registry", "sign"), ()),
    theft.server_forged: (("sign", "bank", "records", "fleet", "assets"), SERVERS), theft.gift_cards: (("points",), ()), theft.retired_key: (("sign", "records", "desk", "assets", "fleet", "bank"), CALM), theft.record_hijack: (("dns",), ()),
    theft.seat_holder: (("seats",), ("web",)), theft.slow_tags: (("assets",), ()), theft.neighbours_accounts: (("bank",), SERVERS),
    doubt.poisoned_ticket: (("desk",), ("worker",)), doubt.pooled_seat: (("desk", "assets", "sign"), ("staff",)), doubt.leaving_seller: (("records", "assets"), ("staff",)), doubt.tainted_step: (("registry", "dns"), ("build",)),
    doubt.own_pentest: (ANY, ("web", "staff")),
    honest.evacuated_zone: (ANY, SERVERS), honest.ferry_landing: (("fleet",), ("vehicles",)), honest.new_numbers: (("sign", "records", "desk", "bank", "fleet"), SERVERS), honest.async_sdk: (ANY, ("worker", "web")),
    honest.private_relay: (ANY, ("handsets",)), honest.roving_exit: (ANY, ("staff",)), honest.onsale: (("seats",), ()), honest.soak_test: (ANY, ("web", "worker")), honest.lock_contention: (("dns", "records", "desk", "sign"), ("worker", "web", "cron")),
    honest.conformance_run: (ANY, ("web", "worker")), honest.cold_mirror: (("registry", "sign", "bank"), ("worker", "web", "cron")), honest.assistant_joins: (("sign", "records", "desk", "assets", "dns", "fleet"), ()),
    honest.fallback_polling: (ANY, ("worker", "web", "cron")), honest.key_checkup: (ANY, ()), honest.queue_drained: (ANY, ("worker",))}
WEEKDAY = (doubt.leaving_seller, doubt.tainted_step, doubt.own_pentest, honest.roving_exit, honest.conformance_run, honest.assistant_joins)


class World:
    """One platform by seed: its calendar, its troubles, its customers and what befalls them."""

    def __init__(self, seed):
        rng = random.Random("reports/%d" % seed)
        self.seed, self.epoch = seed, datetime(rng.randint(2025, 2026), rng.randint(1, 12), rng.randint(1, 28), tzinfo=timezone.utc)
        self.wd, self.end = self.epoch.weekday(), DAYS * DAY
        self.services, self.programs = {n: Service(n, rng) for n in SERVICES}, agents(rng)
        self.troubles = [(n, t, t + rng.uniform(600, 3600), rng.uniform(.1, .7)) for n in rng.sample(ANY, 4) for t in (rng.uniform(1, DAYS - 1) * DAY,)]
        self.customers, self.tag = [], rng.choice(["tk_%s", "%s", "ak.%s.live"])
        self.deal(rng)

    def day(self, t):
        return (self.epoch + timedelta(seconds=t - DAY)).strftime("%Y-%m-%d")

    def broken(self, service, t):
        return next((p for n, a, b, p in self.troubles if n == service and a <= t < b), 0)

    def customer(self, rng, services=ANY, kinds=()):
        name = rng.choice([s for s in services if not kinds or set(KINDS[s]) & set(kinds)])
        kind = rng.choice([k for k in KINDS[name] if not kinds or k in kinds])
        own = random.Random("reports/%d/%d" % (self.seed, len(self.customers)))
        c = Customer(own, len(self.customers), self.services[name], kind, self.programs, self.end)
        c.key_id = self.tag % ("%011x" % own.getrandbits(44))
        self.customers.append(c)
        return c

    def deal(self, rng):
        todo = [e for e in EPISODES for _ in range(EACH) if e is not theft.vendor_breach]
        rng.shuffle(todo)  # spread evenly over the second week: otherwise the set would measure the policies' caps
        for k, episode in enumerate(todo):
            c = self.customer(rng, *EPISODES[episode])
            t0 = (QUIET + (k + rng.random()) * (DAYS - 1.6 - QUIET) / len(todo)) * DAY
            if episode.__module__ == "honest":
                t0 = rng.uniform(5, DAYS - 3) * DAY
            episode(c, c.rng, t0, **({"wd": self.wd} if episode in WEEKDAY else {}))
        for _ in range(2):
            t0, three = rng.uniform(QUIET, DAYS - 1.5) * DAY, [self.customer(rng, *EPISODES[theft.vendor_breach]) for _ in range(3)]
            where, agent = Line(rng, three[0].strange(rng), 2), three[0].tools(rng, 0)
            for n, c in enumerate(three):
                theft.vendor_breach(c, c.rng, t0 + n * rng.uniform(.2, 2) * HOUR, where, agent)
        for _ in range(rng.randint(60, 75)):  # most keys have no story, and some of those are new
            c = self.customer(rng)
            if rng.random() < .2:
                c.created = rng.uniform(1, 10) * DAY
                for b in c.base:
                    b.on = c.created

    def write(self, out):
        os.makedirs(out, exist_ok=True)
        iso = lambda t: (self.epoch + timedelta(milliseconds=round(t * 1000))).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: E731
        rows = []
        for c in self.customers:
            rng, mine = random.Random("reports/%d/%s" % (self.seed, c.key_id)), []
            for client in c.clients:
                client.run(rng, c.service, self, self.end, mine)
            rows += [(*r, c) for r in mine if r[0] < self.end]
        rows.sort(key=lambda r: (r[0], r[-1].key_id))
        with open(os.path.join(out, "keys.json"), "w") as f:
            json.dump([{"key_id": c.key_id, "plan": c.plan, "created_at": iso(c.created)} for c in self.customers], f, indent=1)
        with open(os.path.join(out, "labels.json"), "w") as f:
            labels = [{"key_id": c.key_id, "family": family, "expect": expect, "start": iso(a), "end": iso(b)} for c in self.customers for family, expect, a, b in c.labels]
            json.dump(sorted(labels, key=lambda x: (x["start"], x["key_id"])), f, indent=1)
        with gzip.GzipFile(os.path.join(out, "events.jsonl.gz"), "wb", 3, mtime=0) as f:
            for n, (t, method, path, status, size, ms, inn, units, ip, agent, c) in enumerate(rows):
                rec = {"time": iso(t), "request_id": "%08x-%08x" % (self.seed, n), "key_id": c.key_id, "method": method, "host": c.service.host, "path": path, "status": status, "latency_ms": round(ms, 1), "request_bytes": inn, "response_bytes": size,
                       "client_ip": ip, "user_agent": agent}
                if units:
                    rec["units"] = units
                f.write(json.dumps(rec, separators=(",", ":")).encode() + b"\n")
        return len(rows), len(labels)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    world = World(a.seed)
    print("%d events, %d labels" % world.write(a.out), "and %d keys in %s" % (len(world.customers), a.out))


if __name__ == "__main__":
    main()
