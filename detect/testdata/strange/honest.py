"""What honest customers do, odd as it looks: never to be suspended, and seldom worth a flag."""
import math

from customers import LIBRARIES, Client
from pace import Flow, Job, Tick, even, evening, office
from places import DAY, HOUR, Both, Crowd, Functions, Machines, find
from products import PRODUCTS, Things
from theft import Hand, pick


def month_end(c, rng, t):
    """Bookkeeping closes the month: the nightly run is ten times as long for three nights, same machine, same calls."""
    c.cut(t, t + 3 * DAY, rng.uniform(6, 14))
    c.label("month_end", "benign", t, t + 3 * DAY)


def long_weekend(c, rng, t):
    """Four free days without a call, then the backlog of all of them in the first morning."""
    back = t + rng.uniform(3, 4.5) * DAY
    c.cut(t, back, .02)
    c.cut(back, back + 8 * HOUR, rng.uniform(4, 8))
    c.label("long_weekend", "benign", t, back + 8 * HOUR)


def weekly_rotation(c, rng, t, heirs=()):
    """A careful customer rotates keys: the day's traffic moves to a key made an hour ago, within minutes, from the same machines; the old one falls silent."""
    heir = heirs[0]
    heir.born, heir.clients, heir.labels = t - HOUR, [], []
    for k in c.clients:
        new = k.like(t, 1e12)
        k.cut(t + 300, 1e12)
        heir.clients.append(new)
    heir.base, heir.product, heir.country, heir.offset = heir.clients[0], c.product, c.country, c.offset
    for x in (c, heir):
        x.label("weekly_rotation", "benign", t, c.days * DAY)


def regional_launch(c, rng, t):
    """The app opens in two more countries on one morning, with advertising: thousands of telephones there within hours, the same program and routes."""
    homes = [n for k in rng.sample(sorted({n.country for n in find("isp")} - {c.country}), 2) for n in find("isp", "mobile", country=k)]
    full = rng.uniform(.3, 1.2)
    c.clients.append(c.base.like(t, 1e12, source=Crowd(rng, homes, 6000)))
    c.clients[-1].cut(t, 1e12, lambda x: full * min(1.0, (x - t) / (6 * HOUR)))
    c.label("regional_launch", "benign", t, c.days * DAY)


def tv_spot(c, rng, t):
    """The app is shown on television: fifteen times the visits within a minute, gone after half an hour."""
    c.cut(t, t + 2100, lambda x: 15 * math.exp(-(x - t) / 700) + 1)
    c.label("tv_spot", "benign", t, t + 2100)


def lte_backup(c, rng, t):
    """The office's line is cut by a digger: for a day or two all goes over a telephone of the country, whose address changes with every reconnect."""
    end = t + rng.uniform(.4, 2) * DAY
    c.swap(t, end, source=Functions(rng, rng.choice(find("mobile", "isp", country=c.country, unlike=c.asns()) or find("isp")), 1))
    c.label("lte_backup", "benign", t, end)


def tenant_wave(c, rng, t):
    """The partner wins a chain: a hundred new tenants in a day, each imported at once, fresh machines of the same cloud, ten times the calls, mostly writes."""
    end = t + rng.uniform(5, 24) * HOUR
    new = ["org%d" % rng.randint(1000, 99999) for _ in range(rng.randint(40, 150))]
    writes = [r for r in PRODUCTS["crm"][2] if r[0] != "GET"] + PRODUCTS["crm"][2][1:2]
    w = c.base.work.like(rng, tenants=new, routes=writes, things=Things(rng, "number", 5 * c.per_day))
    c.clients.append(Client(Flow(min(c.per_day * rng.uniform(4, 12), 20000) / 20, even, 0, 20, .5), w, Machines(rng, c.base.source.nets[0], 6), c.base.agents, t, end))
    c.base.work.tenants += new
    c.label("tenant_wave", "benign", t, end)


def hook_redelivery(c, rng, t):
    """After a mistake three days of deliveries are sent once more, from the same machines, as fast as it goes; most are known already: 409."""
    h, end, rate = Hand(c, rng, c.base.source, copied=1), t + rng.uniform(.5, 2.5) * HOUR, max(.2, c.per_day * 3 / (1.5 * HOUR))
    n = c.things.old + int(c.things.per_day * t / DAY)
    while t < end and len(h.all) < 9000:
        h.session = rng.getrandbits(16)
        h.call(t, "POST", "/in/" + c.things.text(n - len(h.all) % 3000), pick(rng, {409: .7}), 40, 9, 2600)
        t += rng.expovariate(rate)
    return h.done("hook_redelivery", "benign")


def model_upgrade(c, rng, t):
    """The customer moves to the dear model and to longer prompts: five times the cost and twice the tokens of each call, from then on, same machines."""
    c.swap(t, 1e12, work=c.base.work.like(rng, size=c.base.work.size * 2, dear=c.base.work.dear * 5))
    c.label("model_upgrade", "benign", t, c.days * DAY)


def eval_run(c, rng, t):
    """A team measures a new prompt over a weekend: some ten thousand calls from one more machine in its own cloud, even pace, under another program."""
    end = t + rng.uniform(6, 30) * HOUR
    c.clients.append(Client(Flow(rng.uniform(2500, 9000), even, 0), c.base.work, Machines(rng, c.base.source.nets[0], 1), [rng.choice(["lm-eval/0.4.8", "python-httpx/0.28.1"])], t, end))
    c.label("eval_run", "benign", t, end)


def dual_stack(c, rng, t):
    """The customer's cloud network gets IPv6: from then on half of the calls come over it, from the same machines."""
    nets = [n for n in find("cloud", "vps", six=True) if n.asn in c.asns()] or [n for n in find("cloud", six=True) if n.country == c.country]
    if not nets:
        return False
    c.swap(t, 1e12, source=Both(.5, c.base.source, Machines(rng, nets[0], 3, True)))
    c.label("dual_stack", "benign", t, c.days * DAY)


def synthetic_checks(c, rng, t):
    """The customer orders a journey check: every five minutes the same three calls from each of a dozen cities in turn, by the clock, for ever."""
    rs = [r for r in c.base.work.routes if r[0] == "GET"][:3] or c.base.work.routes[:1]
    places = [Machines(rng, n) for n in rng.sample(find("cloud"), 12)]
    source = places[0]
    source.nets, source.ips = [p.net for p in places], [p.ips[0] for p in places]
    c.clients.append(Client(Tick(rng.choice([60, 120, 300]), len(rs)), c.base.work.like(rng, routes=rs, errors={}), source, [rng.choice(["Checkly/1.0", "Datadog/Synthetics", "Pingdom.com_bot_version_1.4"])], t))
    c.label("synthetic_checks", "benign", t, c.days * DAY)


def store_opening(c, rng, t):
    """The chain opens thirty shops on one Thursday, with lines of several providers, the same tills."""
    new = [n.ip(rng) for n in (rng.choice(c.base.source.nets) for _ in range(rng.randint(15, 60)))]
    f = 1 + len(new) / len(c.base.source.open)
    c.swap(t, 1e12, source=type(c.base.source)(rng, c.base.source.nets, 1))
    c.clients[-1].source.open = c.base.source.open + new
    c.clients[-1].cut(t, 1e12, f)
    c.label("store_opening", "benign", t, c.days * DAY)


def terraform_apply(c, rng, t):
    """A new environment is built by the customer's own tool: forty machines within minutes, looked at until they run, and taken down next evening."""
    h = Hand(c, rng, c.base.source, copied=1)
    for m, path, gap in (("POST", "/instances", 2), ("DELETE", "/instances/{id}", 1)):
        at = t if m == "POST" else t + rng.uniform(5, 25) * HOUR
        for _ in range(rng.randint(15, 60)):
            h.call(at, m, path.replace("{id}", c.things.pick(rng, at)), pick(rng, {429: .03}), 2600, 900, 1800)
            for _ in range(rng.randint(1, 5)):
                at += rng.uniform(.3, gap)
                h.call(at, "GET", "/instances/" + c.things.pick(rng, at), out=2800, ms=40)
    return h.done("terraform_apply", "benign")


def feast_month(c, rng, t):
    """A month of fasting begins: the same people, but the day's peak moves from the afternoon into the night."""
    c.swap(t, 1e12, pace=Flow(c.base.pace.rate * DAY, lambda h, w: evening((h - 5) % 24, w), c.offset, c.base.pace.calls, c.base.pace.think))
    c.label("feast_month", "benign", t, c.days * DAY)


def election_night(c, rng, t):
    """A newsroom's small key carries one evening: two hundred times the usual for five hours, same server, same routes."""
    end = t + rng.uniform(3, 6) * HOUR
    c.clients.append(c.base.like(t, end, pace=Flow(max(20 * c.per_day, 4000), even, 0)))
    c.label("election_night", "benign", t, end)


def offices_own_script(c, rng, t):
    """Behind the same office addresses somebody writes a script: another program, a run every weekday at seven over the usual routes, clumsy at first."""
    w = c.base.work.like(rng, errors={400: .12, 404: .05})
    c.clients.append(Client(Job(7, rng.uniform(30, 300), 1, c.offset, range(5)), w, c.base.source, [rng.choice(LIBRARIES)], t))
    c.label("offices_own_script", "benign", t, c.days * DAY)


def field_days(c, rng, t):
    """A trade fair: for three days the small firm's people work from hotel and hall in a neighbouring country, few calls, same program, and home is silent."""
    end = t + rng.uniform(2, 4) * DAY
    c.swap(t, end, source=Machines(rng, c.abroad(rng, "isp"), 2), pace=Flow(max(c.per_day, 10) / 2, office, c.offset, 2, 20, .5))
    c.label("field_days", "benign", t, end)


def outage_catchup(group, rng, a, b):
    """Our own outage (see strange.py): when it is over the customers' queues are emptied, hours of calls within one."""
    for c in group:
        f = rng.uniform(4, 12)
        c.cut(b, b + HOUR, lambda x, f=f: f)
        c.label("outage_catchup", "benign", b, b + HOUR)


def slow_days(group, a, b):
    """Our database is ill for two days (see strange.py): all answers of one product take many times as long; nothing that the customers did."""
    for c in group:
        c.label("slow_days", "benign", a, b)
