"""What customers do that looks odd, and is not abuse. Every episode takes (customer, rng, start, world)."""
import api
import clock
import net
import people

DAY, HOUR = clock.DAY, clock.HOUR


def elsewhere(c, rng, *kinds):
    return rng.choice(net.find(*(kinds or ("cloud",)), unlike=c.asns()))


def more_calls(c, calls):
    """The customer's calls and these, in an order that does not depend on hashes."""
    return list(dict.fromkeys(c.base.work.calls + calls))


def move(c, start, end, source, **changes):
    """From start to end all that the customer's main client does comes from `source`."""
    moved = c.base.but(start, end, source=source, **changes)
    c.base.cut(start, end)
    c.clients.append(moved)


def failover_night(c, rng, t0, w):
    """A cloud region fails at three in the morning; everything runs in another one until it is back."""
    t0 = t0 - t0 % DAY + 3 * HOUR - c.zone.offset * HOUR
    end = t0 + rng.uniform(1, 9) * HOUR
    same = [n for n in net.find("cloud") if n.asn == c.base.source.nets[0].asn and n.country != c.base.source.nets[0].country]
    move(c, t0, end, net.Fixed(rng, rng.choice(same) if same and rng.random() < 0.6 else elsewhere(c, rng), rng.randint(1, 5)))
    c.label("failover_night", "benign", t0, end)


def cdn_front(c, rng, t0, w):
    """The customer's outgoing calls now pass a content network."""
    move(c, t0, 1e12, net.Autoscale(rng, rng.choice(net.find("cdn")), 80))
    c.label("cdn_front", "benign", t0, w.end)


def vpn_rollout(c, rng, t0, w):
    """All of the office goes through a company VPN from now on."""
    move(c, t0, 1e12, net.Fixed(rng, elsewhere(c, rng, "vpn", "host"), 2))
    c.label("vpn_rollout", "benign", t0, w.end)


def renumbering(c, rng, t0, w):
    """The provider was bought: same lines, same country, addresses of another network."""
    move(c, t0, 1e12, net.Fixed(rng, c.line(rng), 1) if c.kind == "office" else net.Home(rng, c.line(rng)))
    c.label("renumbering", "benign", t0, w.end)


def sdk_upgrade(c, rng, t0, w):
    """Everywhere at once: a new library, and routes that come with it."""
    new = c.base.but(t0, 1e12, agents=[c.library(rng)], work=c.use(rng, more_calls(c, c.calls(rng, 0.1, 0.4))))
    c.base.cut(t0, 1e12)
    c.clients.append(new)
    c.label("sdk_upgrade", "benign", t0, w.end)


def load_test(c, rng, t0, w):
    """Announced by nobody: many times the usual rate for half an hour, from the customer's own machines."""
    end = t0 + rng.uniform(0.3, 1) * HOUR
    pace = clock.Flow(min(max(c.per_day * rng.uniform(20, 60), 20_000), 60_000), clock.always, c.zone, 0)
    c.clients.append(c.base.but(t0, end, pace=pace, agents=[rng.choice(["k6/0.58.0 (https://k6.io/)", "Apache-HttpClient/4.5.14 (Java/17.0.9)"] + c.base.agents)]))
    c.label("load_test", "benign", t0, end)


def reindex(c, rng, t0, w):
    """The customer's own crawl over all of its objects, in order, from its own machines."""
    get = [x for x in c.base.work.calls if x.role == "get"] or api.pick(c.product, "get")
    n = len(c.objects.own)
    end = t0 + max(0.5 * HOUR, min(10 * HOUR, n / 2))
    c.clients.append(c.base.but(t0, end, work=api.Walk(c.base.work, get[:1], api.own_in_order(c.objects)), pace=clock.Flow(min(n / (end - t0) * DAY, 40_000), clock.always, c.zone, 0)))
    c.label("reindex", "benign", t0, end)


def microservice(c, rng, t0, w):
    """A new service of the same customer in another cloud, with its own library."""
    c.clients.append(people.Client(net.Autoscale(rng, elsewhere(c, rng), rng.randint(1, 6)), [c.library(rng)], c.use(rng, rng.sample(c.base.work.calls, max(1, len(c.base.work.calls) // 2))),
                                   clock.Flow(max(30, c.per_day * rng.uniform(0.1, 1)), clock.daylight(), c.zone), t0))
    c.label("microservice", "benign", t0, w.end)


def acquisition(c, rng, t0, w):
    """A company abroad was bought, and works with the key too."""
    country = rng.choice([x for x in w.countries if x != c.country])
    zone = clock.Zone(country, w.epoch)
    start = t0
    for _ in range(rng.randint(1, 4)):
        c.clients.append(people.Client(net.Home(rng, c.line(rng, country)) if rng.random() < 0.5 else net.Fixed(rng, c.line(rng, country)), rng.sample(people.TOOLS + people.BROWSERS, 2),
                                       c.use(rng, c.base.work.calls, clumsy=4), clock.Visits(max(25, c.per_day * 0.2), clock.business, zone, 10, 15), start))
        start += rng.uniform(0, 2) * DAY
    c.label("acquisition", "benign", t0, w.end)


def conference(c, rng, t0, w):
    """A developer on a journey shows things with the production key: hotel, conference, telephone."""
    end = t0 + rng.uniform(2, 4) * DAY
    country = rng.choice([x for x in w.countries if x != c.country])
    places = net.Mixed([(net.Fixed(rng, c.line(rng, country)), 2), (net.Fixed(rng, c.line(rng, country)), 2), (net.Home(rng, c.line(rng, country, ("mobile", "isp")), 1), 1)])
    c.clients.append(people.Client(places, rng.sample(people.TOOLS, 2), c.use(rng, c.base.work.calls, clumsy=4), clock.Visits(rng.uniform(25, 90), clock.business, clock.Zone(country, w.epoch), 9, 25), t0, end))
    c.label("conference", "benign", t0, end)


def rotated_in_part(c, rng, t0, w):
    """A new secret reached one part of the fleet only: the rest is answered 401 and tries again."""
    end = t0 + rng.uniform(0.5, 7) * HOUR
    share = rng.uniform(0.3, 0.7)
    c.base.cut(t0, end)
    c.clients.append(c.base.but(t0, end, retries=0.9, work=api.Failing(c.base.work, 401, lambda t, session: 1.0 if session % 100 < share * 100 else 0.0)))
    c.label("rotated_in_part", "benign", t0, end)


def pagination(c, rng, t0, w):
    """Reads all pages of a list, as people do once in a while."""
    pages = api.pick(c.product, "list")
    end = t0 + rng.uniform(0.3, 3) * HOUR
    c.clients.append(c.base.but(t0, end, work=api.Walk(c.base.work, pages[:1], api.own_in_order(c.objects)), pace=clock.Flow(rng.uniform(2000, 12000), clock.always, c.zone, 0)))
    c.label("pagination", "benign", t0, end)


def app_release(c, rng, t0, w):
    """A new version of the app: it reaches everybody within days, calls more routes, and brings new people."""
    ramp = lambda t: min(1.0, (t - t0) / (2 * DAY))  # noqa: E731
    new = c.base.but(t0, 1e12, agents=[a.replace("/3.", "/4.").replace("/", "/1", 1) for a in c.base.agents[:2]], work=c.use(rng, more_calls(c, c.calls(rng, 0.1, 0.4, ("get", "query")))),
                     source=net.Crowd(rng, c.base.source.nets, int(len(c.base.source.people) * 1.4) + 1, 0.3))
    new.gate = lambda t: 1.5 * ramp(t)
    c.base.cut(t0, 1e12, lambda t: 1 - ramp(t))
    c.clients.append(new)
    c.label("app_release", "benign", t0, w.end)


def deleted_objects(c, rng, t0, w):
    """A bug: objects that were deleted are asked for again and again."""
    end = t0 + rng.uniform(1, 12) * HOUR
    c.base.cut(t0, end)
    c.clients.append(c.base.but(t0, end, work=api.Failing(c.base.work, 404, rng.uniform(0.3, 0.8)), retries=0))
    c.label("deleted_objects", "benign", t0, end)


def slow_growth(c, rng, t0, w):
    """Five times as much within weeks."""
    span = max(5 * DAY, w.end - t0)
    c.base.cut(t0, 1e12, lambda t: 5 ** min(1, (t - t0) / span))
    c.label("slow_growth", "benign", t0, w.end)


def bulk_instead(c, rng, t0, w):
    """Polling one by one is replaced by a few calls for everything."""
    new = c.base.but(t0, 1e12, work=api.Use(rng, c.product, api.pick(c.product, "bulk", "list"), c.objects, c.errors), pace=clock.Job(c.zone, 0, max(2, c.per_day / 200), 1))
    c.base.cut(t0, 1e12)
    c.clients.append(new)
    c.label("bulk_instead", "benign", t0, w.end)


def key_rotation(c, rng, t0, w):
    """A new key takes over all of the old one's traffic within minutes."""
    heir = w.heir(c, t0)
    heir.clients = [c.base.but(t0, 1e12)]
    c.base.cut(t0 + 600, 1e12)
    c.label("key_rotation", "benign", t0, w.end)
    heir.label("key_rotation", "benign", t0, w.end)


def to_functions(c, rng, t0, w):
    """Servers are replaced by functions of another cloud, hour by hour."""
    ramp = lambda t: min(1.0, (t - t0) / (6 * HOUR))  # noqa: E731
    new = c.base.but(t0, 1e12, source=net.Ephemeral([elsewhere(c, rng)], 4))
    new.gate = ramp
    c.base.cut(t0, 1e12, lambda t: 1 - ramp(t))
    c.clients.append(new)
    c.label("to_functions", "benign", t0, w.end)


def workflow_service(c, rng, t0, w):
    """The key is entered at a workflow service that other customers use too."""
    c.clients.append(people.Client(w.integrator[0], w.integrator[1], c.use(rng, rng.sample(c.base.work.calls, max(1, len(c.base.work.calls) // 2))), clock.Visits(max(20, c.per_day * 0.3), clock.daylight(), c.zone, 3, 1), t0))
    c.label("workflow_service", "benign", t0, w.end)


def home_office(c, rng, t0, w):
    """The people of an office work from their homes: many lines of the same country instead of one."""
    lines = net.Mixed([(net.Home(rng, c.line(rng)), rng.uniform(0.3, 1)) for _ in range(rng.randint(4, 9))])
    move(c, t0, 1e12, lines)
    c.label("home_office", "benign", t0, w.end)


def yearly_report(c, rng, t0, w):
    """A weekly or nightly job reads everything once, from its usual machine."""
    end = t0 + rng.uniform(0.5, 4) * HOUR
    c.clients.append(c.base.but(t0, end, work=api.Walk(c.base.work, api.pick(c.product, "list", "bulk"), api.own_in_order(c.objects)), pace=clock.Flow(rng.uniform(500, 4000), clock.always, c.zone, 0)))
    c.label("yearly_report", "benign", t0, end)


def goes_live(c, rng, t0, w):
    """After a week of trials from a desk the service goes into production: another network, another program, many times the calls."""
    per_day = max(300.0, c.per_day * rng.uniform(20, 80))
    new = people.Client(net.Autoscale(rng, elsewhere(c, rng), rng.randint(1, 8)), [c.library(rng)] if rng.random() < 0.6 else c.base.agents, c.use(rng, c.calls(rng, 0.4, 0.9)),
                        clock.Visits(per_day, clock.daylight(0.8, 0.6), c.zone, 6, 2), t0)
    ramp = rng.choice([0.01, 1, 24]) * HOUR
    new.gate = lambda t: min(1.0, 0.02 + (t - t0) / ramp)
    c.clients.append(new)
    c.label("goes_live", "benign", t0, w.end)


def device_rollout(c, rng, t0, w):
    """Devices in people's homes report with the key from now on, each about once a day, more every day."""
    homes = rng.sample(net.find("isp", "mobile"), 12)
    new = people.Client(net.Crowd(rng, homes, 400, 0.05), ["esp-idf/5.3 esp32"], c.use(rng, [rng.choice(c.base.work.calls)]), clock.Flow(rng.uniform(150, 500), clock.always, c.zone), t0)
    new.gate = lambda t: min(1.0, (t - t0) / (3 * DAY))
    c.clients.append(new)
    c.label("device_rollout", "benign", t0, w.end)


def full_hall(c, rng, t0, w):
    """A school or a hall full of the app's users, all behind one address."""
    end = t0 + rng.uniform(2, 6) * HOUR
    c.clients.append(c.base.but(t0, end, source=net.Fixed(rng, c.line(rng)), pace=clock.Visits(rng.uniform(2000, 9000), clock.always, c.zone, 8, 6)))
    c.label("full_hall", "benign", t0, end)


def owner_returns(c, rng, t0, w):
    """A forgotten key is taken up again by its owner, on the machines of then, with a newer program."""
    c.clients.append(c.base.but(t0, 1e12, agents=[c.library(rng)] if rng.random() < 0.5 else c.base.agents))
    c.label("owner_returns", "benign", t0, w.end)


# family -> (episode, kinds of customers)
SERVERS = people.ON_SERVERS
EPISODES = {
    "failover_night": (failover_night, ("backend", "autoscale", "serverless", "hooks", "partner")), "cdn_front": (cdn_front, ("backend", "autoscale", "hooks")),
    "vpn_rollout": (vpn_rollout, ("office", "developer")), "renumbering": (renumbering, ("office", "developer", "weekender")),
    "sdk_upgrade": (sdk_upgrade, SERVERS), "load_test": (load_test, ("backend", "autoscale", "serverless", "partner")), "reindex": (reindex, ("backend", "nightly", "weekly", "partner")),
    "microservice": (microservice, SERVERS + ("app",)), "acquisition": (acquisition, ("office", "backend", "developer")), "conference": (conference, ("backend", "developer", "autoscale", "serverless")),
    "rotated_in_part": (rotated_in_part, ("autoscale", "serverless", "backend", "app")), "pagination": (pagination, ("backend", "office", "serverless", "partner")),
    "app_release": (app_release, ("app",)), "deleted_objects": (deleted_objects, ("backend", "serverless", "hooks", "app")),
    "slow_growth": (slow_growth, ("backend", "app", "serverless", "hooks")), "bulk_instead": (bulk_instead, ("backend", "autoscale", "hooks")),
    "key_rotation": (key_rotation, ("backend", "autoscale", "app", "serverless")), "to_functions": (to_functions, ("backend", "autoscale")),
    "workflow_service": (workflow_service, ("office", "backend", "developer")), "home_office": (home_office, ("office",)), "yearly_report": (yearly_report, ("weekly", "nightly")),
    "goes_live": (goes_live, ("developer", "office", "newcomer", "backend")), "device_rollout": (device_rollout, ("backend", "developer")), "full_hall": (full_hall, ("app",)),
    "owner_returns": (owner_returns, ("sleeper",)),
}
