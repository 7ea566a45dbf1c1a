"""What thieves and abusers do. Every episode takes (customer, rng, start, world).

A label says `suspend` where the traffic itself shows that somebody takes what is not theirs, `flag` where an honest reader of
the log would want to ask the customer first.
"""
import api
import clock
import net
import people
from honest import elsewhere, move

DAY, HOUR = clock.DAY, clock.HOUR
SCRIPTS = ["python-requests/2.32.3", "curl/8.5.0", "Go-http-client/2.0", "aiohttp/3.11.18", "Scrapy/2.12.0 (+https://scrapy.org)", "node", "axios/1.8.4", "Wget/1.21.4"]


def rented(c, rng, *kinds):
    return rng.choice(net.find(*(kinds or ("host", "vpn", "cloud")), unlike=c.asns()))


def verdict(c):
    """Whether a walk shows: numbers that are counted up do; objects that lists gave away look like a customer's new machine."""
    return "suspend" if c.product == "shop" else "flag"


def agents(c, rng, copied=0.45):
    return list(c.base.agents) if rng.random() < copied else [rng.choice(SCRIPTS)]


def steal(c, rng, family, expect, t0, end, source, work, per_day, agent=None, shape=clock.always):
    c.clients.append(people.Client(source, agent or agents(c, rng), work, clock.Flow(per_day, shape, c.zone, 0.05), t0, end))
    c.label(family, expect, t0, end)


def things(c, rng):
    """A walk over objects, in one of the ways a thief can: counting where there are numbers, else what lists gave away."""
    use = c.use(rng)
    get = [x for x in api.PRODUCTS[c.product][1] if x.role == "get"] or api.pick(c.product, "query")
    if any("{num}" in x.path for x in get):
        return api.Walk(use, [x for x in get if "{num}" in x.path][:2], api.upward(rng, c.objects.top, rng.uniform(0.05, 0.9), rng.choice([1, 1, 3])), rng.choice([404, 404, 403]))
    return api.Walk(use, get[:2], api.own_in_order(c.objects, rng.randrange(len(c.objects.own))))


def proxies_each_call(c, rng, t0, w):
    """Another home line for every call."""
    homes = rng.sample(net.find("isp", "mobile"), rng.randint(8, 40))
    steal(c, rng, "proxies_each_call", "suspend", t0, t0 + rng.uniform(0.5, 2.5) * HOUR, net.Ephemeral(homes, 1), things(c, rng), rng.uniform(0.1, 1.5) * DAY)


def same_cloud_copied(c, rng, t0, w):
    """The customer's cloud, the customer's agent, other objects."""
    steal(c, rng, "same_cloud_copied", verdict(c), t0, t0 + rng.uniform(0.5, 2.5) * HOUR, net.Fixed(rng, c.base.source.nets[0], 1), things(c, rng), rng.uniform(0.2, 2) * DAY, c.base.agents)


def slow_and_low(c, rng, t0, w):
    """Object by object at a pace below the customer's own, for days."""
    steal(c, rng, "slow_and_low", "flag", t0, t0 + rng.uniform(1.5, 3) * DAY, net.Fixed(rng, rented(c, rng)), things(c, rng), max(40, min(c.per_day * 0.5, 600)))


def random_numbers(c, rng, t0, w):
    """Plausible ids at random, many of which exist."""
    use = c.use(rng)
    get = [x for x in api.PRODUCTS[c.product][1] if x.role == "get"] or api.pick(c.product, "query")
    steal(c, rng, "random_numbers", "suspend", t0, t0 + rng.uniform(0.5, 2) * HOUR, net.Fixed(rng, rented(c, rng), rng.randint(1, 3)), api.Walk(use, get[:2], api.anywhere(rng, c.objects.top, rng.uniform(0.4, 0.95))), rng.uniform(0.2, 2) * DAY)


def through_lists(c, rng, t0, w):
    """Search and list endpoints, page after page, no object by itself."""
    steal(c, rng, "through_lists", "suspend", t0, t0 + rng.uniform(0.5, 2) * HOUR, net.Fixed(rng, rented(c, rng, "host", "vpn")), api.Walk(c.use(rng), api.pick(c.product, "list"), api.anywhere(rng, 3_000_000, 1), pages=2),
          max(rng.uniform(0.1, 1) * DAY, 15 * c.per_day))


def dear_calls_only(c, rng, t0, w):
    """Somebody else's bill: only what costs most."""
    dear = api.pick(c.product, "dear")
    steal(c, rng, "dear_calls_only", "suspend", t0, t0 + rng.uniform(1, 4) * HOUR, net.Fixed(rng, rented(c, rng), rng.randint(1, 4)), api.Use(rng, c.product, dear, c.objects, [(429, 0.05)], spend=rng.uniform(1, 8)), rng.uniform(0.05, 0.5) * DAY)


def office_hours_thief(c, rng, t0, w):
    """Same country, a home line, only while the customer works; reads other objects at a modest pace."""
    steal(c, rng, "office_hours_thief", "flag", t0, t0 + rng.uniform(2, 4) * DAY, net.Fixed(rng, c.line(rng)), things(c, rng), max(150, c.per_day * 0.6), None, clock.business)


def insider(c, rng, t0, w):
    """From the usual desk with the usual tools: everything, in an evening."""
    t0 = t0 - t0 % DAY + (21 - c.zone.offset) % 24 * HOUR
    end = t0 + rng.uniform(1, 4) * HOUR
    c.clients.append(c.base.but(t0, end, work=api.Walk(c.base.work, api.pick(c.product, "bulk", "list"), api.own_in_order(c.objects), pages=2), pace=clock.Flow(rng.uniform(3000, 15000), clock.always, c.zone, 0)))
    c.label("insider", "flag", t0, end)


def former_contractor(c, rng, t0, w):
    """A tool that was used in the first week is back, from another line, and exports."""
    mine = [rng.choice(people.TOOLS)]
    c.clients.append(people.Client(net.Home(rng, c.line(rng)), mine, c.use(rng, clumsy=4), clock.Visits(50, clock.business, c.zone, 8, 20), 0, 4 * DAY))
    steal(c, rng, "former_contractor", "flag", t0, t0 + rng.uniform(1, 4) * HOUR, net.Home(rng, c.line(rng)), api.Walk(c.use(rng), api.pick(c.product, "bulk", "list"), api.own_in_order(c.objects)), rng.uniform(2000, 20000), mine)


def pasted(c, rng, t0, w):
    """The key was pasted in public: everybody tries it, from everywhere."""
    crowd = net.Mixed([(net.Home(rng, n), rng.paretovariate(1.2)) for n in rng.sample(net.find("isp", "mobile", "host", "cloud", unlike=c.asns()), 45)])
    c.clients.append(people.Client(crowd, SCRIPTS + people.TOOLS + people.BROWSERS, api.Probe(rng, c.use(rng), 0.25), clock.Visits(rng.uniform(2000, 20000), clock.always, c.zone, 4, 10), t0, t0 + rng.uniform(2, 6) * HOUR))
    c.label("pasted", "suspend", t0, c.clients[-1].end)


def resale(c, rng, t0, w):
    """A few more strangers every day."""
    t = t0
    while t < w.end - HOUR:
        country = rng.choice(w.countries)
        c.clients.append(people.Client(net.Home(rng, c.line(rng, country, ("isp", "mobile"))), [rng.choice(SCRIPTS + people.TOOLS)], c.use(rng, c.base.work.calls), clock.Visits(rng.uniform(20, 150), clock.evenings, clock.Zone(country, w.epoch), 6, 10), t))
        t += rng.uniform(4, 20) * HOUR
    c.label("resale", "flag", t0, w.end)


def growing_bodies(c, rng, t0, w):
    """One endpoint for everything: the same route, larger and larger answers."""
    lists = api.pick(c.product, "list")
    steal(c, rng, "growing_bodies", "suspend", t0, t0 + rng.uniform(1, 4) * HOUR, net.Fixed(rng, rented(c, rng, "host", "vpn")), api.Walk(c.use(rng), lists[:1], api.anywhere(rng, 3_000_000, 1), pages=rng.uniform(4, 12)), rng.uniform(0.05, 0.6) * DAY)


def admin_probe(c, rng, t0, w):
    """What else does this key open?"""
    steal(c, rng, "admin_probe", "suspend", t0, t0 + rng.uniform(0.4, 3) * HOUR, net.Fixed(rng, rented(c, rng)), api.Probe(rng, c.use(rng), rng.uniform(0.4, 0.9)), rng.uniform(0.02, 1) * DAY)


def taken_over(c, rng, t0, w):
    """The customer falls silent and somebody else goes on with its key."""
    end = min(w.end, t0 + rng.uniform(0.5, 2) * DAY)
    for client in c.clients:
        client.cut(t0, end)
    steal(c, rng, "taken_over", verdict(c), t0, end, net.Fixed(rng, rented(c, rng)), things(c, rng), max(300, c.per_day), [rng.choice(SCRIPTS)])


def awake_abroad(c, rng, t0, w):
    """A forgotten key, found by a stranger: tries around, then takes."""
    end = t0 + rng.uniform(1, 4) * HOUR
    c.clients.append(people.Client(net.Fixed(rng, rented(c, rng)), [rng.choice(SCRIPTS)], api.Probe(rng, c.use(rng), 0.3), clock.Flow(rng.uniform(2000, 30000), clock.always, c.zone, 0.1), t0, end))
    c.label("awake_abroad", "suspend", t0, end)


def awake_next_door(c, rng, t0, w):
    """A forgotten key awakes in the customer's country, on a home line."""
    steal(c, rng, "awake_next_door", "flag", t0, t0 + rng.uniform(4, 24) * HOUR, net.Home(rng, c.line(rng)), c.use(rng, clumsy=4), rng.uniform(200, 3000), [rng.choice(SCRIPTS + people.TOOLS)])


def app_key(c, rng, t0, w):
    """The key was read out of an app: a script on a rented server among thousands of telephones."""
    steal(c, rng, "app_key", verdict(c), t0, t0 + rng.uniform(0.5, 2.5) * HOUR, net.Fixed(rng, rented(c, rng), 2), things(c, rng), rng.uniform(0.2, 2) * DAY)


def swarm6(c, rng, t0, w):
    """A hoster's IPv6 prefix, a new /64 all the time."""
    host = rng.choice(net.find("host", "cloud", unlike=c.asns(), has6=True))
    steal(c, rng, "swarm6", "suspend", t0, t0 + rng.uniform(0.5, 2) * HOUR, net.Swarm6(rng, host), things(c, rng), rng.uniform(0.2, 2) * DAY)


def few_giant_calls(c, rng, t0, w):
    """A few calls of the bulk endpoint, and everything is gone."""
    steal(c, rng, "few_giant_calls", "suspend", t0, t0 + rng.uniform(1, 4) * HOUR, net.Fixed(rng, rented(c, rng, "host", "vpn")), api.Walk(c.use(rng), api.pick(c.product, "bulk"), api.own_in_order(c.objects), pages=rng.uniform(3, 10)), rng.uniform(300, 1500))


def many_trials(c, rng, t0, w):
    """One program uses the keys of several small customers at once to live off their allowance."""
    source, mine = net.Fixed(rng, rng.choice(net.find("host"))), [rng.choice(SCRIPTS)]
    end = t0 + rng.uniform(6, 24) * HOUR
    for victim in [c] + w.quiet(c, 5):
        victim.clients.append(people.Client(source, mine, victim.use(rng, api.pick(victim.product, "dear", "list", "query")), clock.Flow(rng.uniform(150, 600), clock.always, c.zone, 0), t0, end))
        victim.label("many_trials", "flag", t0, end)


def connector(c, rng, t0, w):
    """A warehouse reads all lists once, from a cloud: the customer's, or somebody's who says so."""
    steal(c, rng, "connector", "flag", t0, t0 + rng.uniform(0.5, 3) * HOUR, net.Fixed(rng, elsewhere(c, rng), 2), api.Walk(c.use(rng), api.pick(c.product, "list", "get"), api.own_in_order(c.objects)), rng.uniform(4000, 20000),
          ["Airbyte/1.6", "fivetran", "okhttp/4.9.3"][:1 + rng.randrange(3)])


def hired_load_test(c, rng, t0, w):
    """A load testing service, from its own cloud: the usual calls, fifty times as many."""
    work = api.Use(rng, c.product, c.base.work.calls, c.objects, c.errors)
    steal(c, rng, "hired_load_test", "flag", t0, t0 + rng.uniform(0.3, 1) * HOUR, net.Autoscale(rng, elsewhere(c, rng), 12), work, max(10_000, min(40_000, 50 * c.per_day)), ["k6/0.58.0 (https://k6.io/)"])


def young_key(c, rng, t0, w):
    """A key leaks in its first days."""
    t0 = c.born + rng.uniform(1.5, 4) * DAY
    steal(c, rng, "young_key", "flag", t0, t0 + rng.uniform(0.5, 2) * HOUR, net.Fixed(rng, rented(c, rng)), things(c, rng), rng.uniform(0.1, 1) * DAY, [rng.choice(SCRIPTS)])


MOST = ("backend", "autoscale", "serverless", "office", "developer", "nightly", "weekly", "partner", "weekender", "hooks", "integrator", "ci")
STEADY = ("backend", "autoscale", "serverless", "nightly", "partner", "hooks")
# family -> (episode, kinds of customers, products or None for any)
EPISODES = {
    "proxies_each_call": (proxies_each_call, MOST, None), "same_cloud_copied": (same_cloud_copied, STEADY, ("shop", "crm", "atlas")), "slow_and_low": (slow_and_low, STEADY, ("shop", "crm", "atlas")),
    "random_numbers": (random_numbers, MOST, ("shop", "atlas")), "through_lists": (through_lists, MOST, ("shop", "crm", "atlas", "graph", "rpc")),
    "dear_calls_only": (dear_calls_only, MOST + ("app",), ("gen",)), "office_hours_thief": (office_hours_thief, STEADY, ("shop", "crm", "atlas")),
    "insider": (insider, ("office", "developer", "backend"), ("shop", "crm", "rpc", "graph")), "former_contractor": (former_contractor, STEADY, ("shop", "crm", "rpc")),
    "pasted": (pasted, MOST, None), "resale": (resale, ("developer", "backend", "weekender"), None), "growing_bodies": (growing_bodies, MOST, ("graph", "rpc", "crm")),
    "admin_probe": (admin_probe, MOST + ("app",), None), "taken_over": (taken_over, STEADY, ("shop", "crm", "atlas")), "awake_abroad": (awake_abroad, ("sleeper",), None),
    "awake_next_door": (awake_next_door, ("sleeper",), None), "app_key": (app_key, ("app",), ("shop", "crm", "atlas")), "swarm6": (swarm6, STEADY, ("shop", "crm", "atlas")),
    "few_giant_calls": (few_giant_calls, MOST, ("shop", "crm", "rpc")), "many_trials": (many_trials, ("backend", "developer"), None), "young_key": (young_key, ("newcomer",), None),
    "connector": (connector, STEADY + ("office",), ("shop", "crm", "rpc", "graph")), "hired_load_test": (hired_load_test, ("backend", "autoscale", "serverless"), None),
}
