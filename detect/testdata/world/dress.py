#!/usr/bin/env python3
"""The same traffic in other clothes: the same calls, written down otherwise.

    dress.py WORLD --as renamed|weeks|hours|bare|silent|combined --out DIR

What abuse is does not depend on names. So `tollkeeper backtest` must decide alike about
    renamed   other hosts, key ids, request ids, agents and words in paths
    weeks     everything some weeks later
and may know less, but never suspend more customers wrongly, of
    hours     everything some hours later: days begin elsewhere
    bare      no request ids, no latency, no request sizes, no units
    silent    no user agents
    combined  a log in the combined format, where the key's id is the user: no host, no latency, no units, whole seconds
"""
import argparse
import gzip
import json
import os
import re
import shutil
from datetime import datetime, timedelta

VERSION = re.compile(r"^v?\d[\w.]*$|^\d{4}-\d\d(-\d\d)?$")
STYLES = ("renamed", "weeks", "hours", "bare", "silent", "combined")


def other(word):
    """Another word with the same shape: letters become other letters, digits and signs stay. One to one."""
    return "".join(chr((ord(c) - 97 + 11) % 26 + 97) if "a" <= c <= "z" else chr((ord(c) - 65 + 7) % 26 + 65) if "A" <= c <= "Z" else c for c in word)


def hexed(word):
    return bool(re.fullmatch(r"[0-9a-f-]{16,}", word))


class Dress:
    def __init__(self, style):
        self.style, self.move = style, {"weeks": timedelta(weeks=9), "hours": timedelta(hours=7)}.get(style)
        self.seen = {}

    def time(self, text):
        if not self.move:
            return text
        if text[:19] not in self.seen:
            if len(self.seen) > 100_000:
                self.seen.clear()
            self.seen[text[:19]] = (datetime.fromisoformat(text[:19]) + self.move).isoformat()
        return self.seen[text[:19]] + text[19:]

    def key(self, key):
        return "customer/" + other(key) if self.style == "renamed" else key

    def path(self, path):
        path, mark, query = path.partition("?")
        return "/".join(s if VERSION.match(s) or hexed(s) else other(s) for s in path.split("/")) + mark + query

    def record(self, r):
        r["time"], r["key_id"] = self.time(r["time"]), self.key(r["key_id"])
        if self.style == "renamed":
            r["host"], r["path"] = "gateway-7.internal.example.org", self.path(r["path"])
            name, mark, rest = r["user_agent"].partition("/")
            r["user_agent"] = r["user_agent"] if name == "Mozilla" else other(name) + mark + rest
            if "request_id" in r:
                r["request_id"] = "r-" + r["request_id"][::-1]
        elif self.style == "bare":
            for name in ("request_id", "latency_ms", "request_bytes", "units"):
                r.pop(name, None)
        elif self.style == "silent":
            r["user_agent"] = ""
        return json.dumps(r, separators=(",", ":"))

    def line(self, r):
        """The combined format of nginx and Apache."""
        t = datetime.fromisoformat(r["time"].replace("Z", "+00:00"))
        return '%s - %s [%s] "%s %s HTTP/1.1" %d %d "-" "%s"' % (
            r["client_ip"], r["key_id"], t.strftime("%d/%b/%Y:%H:%M:%S +0000"), r["method"], r["path"], r["status"], r["response_bytes"], r["user_agent"])


def dress(source, style, out):
    os.makedirs(out, exist_ok=True)
    d = Dress(style)
    for name, times in (("keys.json", ("created_at",)), ("labels.json", ("start", "end"))):
        rows = json.load(open(os.path.join(source, name)))
        for r in rows:
            r["key_id"] = d.key(r["key_id"])
            for t in times:
                r[t] = d.time(r[t])
        with open(os.path.join(out, name), "w") as f:
            json.dump(rows, f, indent=1)
    combined = style == "combined"
    name = os.path.join(out, "access.log.gz" if combined else "events.jsonl.gz")
    with gzip.open(os.path.join(source, "events.jsonl.gz"), "rt") as lines, gzip.GzipFile(name + ".part", "wb", 1, mtime=0) as f:
        for line in lines:
            r = json.loads(line)
            f.write(((d.line(r) if combined else d.record(r)) + "\n").encode())
    os.replace(name + ".part", name)
    if combined:  # for the score, which reads times and keys only
        shutil.copyfile(os.path.join(source, "events.jsonl.gz"), os.path.join(out, "events.jsonl.gz"))


def plain(style, key):
    """The key's id in the world that was dressed."""
    if style != "renamed":
        return key
    word = key.removeprefix("customer/")
    for _ in range(25):  # the letters go round after 26 steps
        word = other(word)
    return word


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("world")
    ap.add_argument("--as", dest="style", choices=STYLES, required=True)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    dress(a.world, a.style, a.out)


if __name__ == "__main__":
    main()
