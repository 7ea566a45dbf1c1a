"""The self test of the hidden families: every label has the calls it speaks of, inside its window, and strangers come from strange addresses."""
import collections
import random

from parts import DAY, s


def second(text):
    return (s.datetime.fromisoformat(text.replace("Z", "+00:00")) - s.EPOCH).total_seconds()


def calls(c, segments, incidents, horizon):
    """What the segments of a customer write, day by day as the generator does it."""
    rng, rows = random.Random("check/" + c.key_id), []
    for day in range(int(horizon / DAY)):
        for p, a, b, factor in segments:
            lo, hi = max(a, day * DAY), min(b, (day + 1) * DAY)
            if lo < hi:
                p.emit(rng, c.key_id, lo, hi, factor, incidents, rows)
    return sorted(rows, key=lambda r: r[0])


def check(customers, incidents, names, horizon):
    """Prints a line a label and returns what is wrong."""
    wrong, count = [], collections.Counter()
    for c in customers:
        for label in c.labels:
            a, b = second(label["start"]), second(label["end"])
            name = "%s of %s" % (label["family"], c.key_id)
            count[label["family"]] += 1
            mine = [seg for seg in c.segments if seg[0] is c.base]
            other = [seg for seg in c.segments if seg[0] is not c.base]
            before = [r for r in calls(c, mine, incidents, horizon) if r[0] < a]
            during = [r for r in calls(c, other, incidents, horizon) if a <= r[0] <= b]
            everything = during or [r for r in calls(c, mine, incidents, horizon) if a <= r[0] <= b]
            print("%-7s %-16s %s %-8s %5.0f calls a day before, %6d in %5.1f h, first after %4.0f s, %3d addresses" % (
                label["expect"], label["family"], c.key_id, c.kind, len(before) / a * DAY, len(everything), (b - a) / 3600,
                everything[0][0] - a if everything else -1, len({r[8] for r in everything})))
            if not 0 <= a < b <= horizon:
                wrong.append("%s: its window is not inside the log" % name)
            if not everything:
                wrong.append("%s: no call in its window" % name)
            elif label["expect"] != "benign":
                if len(during) < 40:
                    wrong.append("%s: only %d calls" % (name, len(during)))
                if during and during[0][0] > a + (600 if label["expect"] == "suspend" else 3 * 3600):
                    wrong.append("%s: the first call comes %.0f s after its start" % (name, during[0][0] - a))
                if label["expect"] == "suspend" and {r[8] for r in before} & {r[8] for r in during}:
                    wrong.append("%s: a stranger with one of the customer's addresses" % name)
    for name in names:
        if not 2 <= count[name] <= 5:
            wrong.append("%s: %d episodes" % (name, count[name]))
    return wrong
