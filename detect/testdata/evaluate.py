#!/usr/bin/env python3
"""Runs the labelled scenarios and our own families through `tollkeeper backtest` and writes detect/EVALUATION.md.

    evaluate.py --binary bin/tollkeeper --cache .cache/scenarios [--seeds 1-5] [--fresh 21-23] [--families 101-103]

Traffic that was generated before is taken from the cache. TOLLKEEPER_SHARED names the folder with the generator.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
COLUMNS = [("suspend_recall", "%.3f"), ("false_suspends_per_1000_key_days", "%.3f"), ("seconds_to_suspend_median", "%.0f"),
           ("requests_to_suspend_median", "%.1f"), ("flag_recall", "%.3f"), ("false_flags_per_1000_key_days", "%.2f")]
BARS = ["at least 0.95", "at most 0.25", "at most 60", "at most 25", "at least 0.90", "at most 3"]


def seeds(text):
    a, _, b = text.partition("-")
    return list(range(int(a), int(b or a) + 1))


def run(binary, cache, generator, prefix, seed):
    folder = os.path.join(cache, "%s%d" % (prefix, seed))
    if not os.path.exists(os.path.join(folder, "labels.json")):
        subprocess.run([sys.executable, generator, "--seed", str(seed), "--out", folder], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, TOLLKEEPER_SHARED=SHARED))
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([binary, "backtest", folder, "--out", out, "--json"], check=True, stdout=subprocess.PIPE, cwd=ROOT)
        scored = subprocess.run([sys.executable, os.path.join(SHARED, "scenarios", "score.py"), folder, os.path.join(out, "decisions.jsonl"), "--json"],
                                check=True, stdout=subprocess.PIPE)
    result, score = json.loads(done.stdout), json.loads(scored.stdout)
    score["records_per_second"] = result["records_per_second"]
    print("%s seed %d: recall %.3f, false suspensions %d, %.0f records/s" % (
        prefix, seed, score["suspend_recall"], score["false_suspends"], score["records_per_second"]), file=sys.stderr)
    return score


def table(out, rows):
    out.append("| seed | " + " | ".join(c.replace("_", " ") for c, _ in COLUMNS) + " |")
    out.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, s in rows:
        out.append("| %s | " % name + " | ".join(f % (s[c] or 0) for c, f in COLUMNS) + " |")
    mean = {c: sum(s[c] or 0 for _, s in rows) / len(rows) for c, _ in COLUMNS}
    out.append("| **mean** | " + " | ".join("**" + f % mean[c] + "**" for c, f in COLUMNS) + " |")
    return mean


def families(out, rows):
    total = {}
    for _, s in rows:
        for name, f in s["families"].items():
            t = total.setdefault(name, [0, 0, 0])
            for i, k in enumerate(("episodes", "suspended", "flagged")):
                t[i] += f[k]
    out += ["", "| family | episodes | suspended | flagged |", "|---|---|---|---|"]
    out += ["| %s | %d | %d | %d |" % (n, *total[n]) for n in sorted(total)]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--binary", default=os.path.join(ROOT, "bin", "tollkeeper"))
    ap.add_argument("--cache", default=os.path.join(ROOT, ".cache", "scenarios"))
    ap.add_argument("--seeds", default="1-5")
    ap.add_argument("--checked", default="11-16")
    ap.add_argument("--fresh", default="21-23")
    ap.add_argument("--families", default="101-103")
    ap.add_argument("--fresh-families", default="104")
    ap.add_argument("--nab", help="JSON file with the result of the series")
    a = ap.parse_args()
    os.makedirs(a.cache, exist_ok=True)
    shared = os.path.join(SHARED, "scenarios", "scenario.py")
    own = os.path.join(HERE, "families", "families.py")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True).stdout.strip() or "unknown"
    out = ["# Evaluation of the detectors", "", "Written by `make eval` on %s, commit %s. One set of constants for everything." % (
        datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), commit), "",
        "Scored by the shared `score.py`. The bars: " + "; ".join("%s %s" % (c.replace("_", " "), b) for (c, _), b in zip(COLUMNS, BARS)) + "."]
    last = {}
    speeds = []
    for key, title, generator, prefix, which in (
            ("public", "Public seeds", shared, "s", a.seeds),
            ("checked", "Seeds that were watched while the engine was made, but not worked on case by case", shared, "s", a.checked),
            ("fresh", "Fresh seeds: generated when the engine was finished", shared, "s", a.fresh),
            ("families", "Families of our own (`testdata/families`); their failures were worked on", own, "f", a.families),
            ("fresh_families", "Families of our own, fresh seed", own, "f", a.fresh_families)):
        rows = [(str(n), run(a.binary, a.cache, generator, prefix, n)) for n in seeds(which)]
        speeds += [s["records_per_second"] for _, s in rows]
        out += ["", "## " + title, ""]
        last[key] = table(out, rows)
        families(out, rows)
    out += ["", "Speed of the whole replay (unpack, decode, enrich, detect): %.0f records/s in the mean of %d runs." % (sum(speeds) / len(speeds), len(speeds))]
    if a.nab:
        nab = json.load(open(a.nab))
        out += ["", "## Series (NAB, half of the corpus)", "", "```", json.dumps(nab, indent=1), "```"]
        last["nab"] = nab
    with open(os.path.join(ROOT, "detect", "EVALUATION.md"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(json.dumps(last))


if __name__ == "__main__":
    main()
