"""What customers do that looks odd and is not."""
import math

from parts import Calls, Own, Pages, PrivacyV6, READS, TOOLS, Union, add, bump, home_isp, local, ramp, route, s, scale_base, swap, tool


def cloud_move_overlap(c, rng, t0, horizon):
    """Another cloud; both run in full for a day or two, then the old one is shut down."""
    net = rng.choice(s.nets("cloud", not_asn=c.own_asns()))
    shut = min(t0 + rng.uniform(.7, 2) * s.DAY, horizon - 6 * 3600)
    new = s.Profile(s.FixedIPs(rng, net, rng.randint(1, 4)), c.base.agents, c.base.mix, c.base.rate, c.base.noise)
    s.cut(c, shut, horizon, 0.0)
    add(c, new, t0, horizon, ramp(t0, s.hours(rng, .5, 6), .05))
    c.label("cloud_move_overlap", "benign", t0, horizon)


def blue_green(c, rng, t0, horizon):
    """New machines in the same network, next version; switched within minutes, sometimes back again."""
    back = t0 + s.hours(rng, 1, 6) if rng.random() < .4 else horizon
    swap(c, t0, back, s.Profile(s.FixedIPs(rng, c.base.ips.net, rng.randint(2, 6)), bump(c.base.agents), c.base.mix, c.base.rate, c.base.noise), rng.uniform(60, 1200))
    c.label("blue_green", "benign", t0, back)


def autoscale_burst(c, rng, t0, horizon):
    """A campaign: five to ten times the traffic over a hundred fresh machines of the same network."""
    end = t0 + s.hours(rng, 2, 7)
    f = rng.uniform(4, 9)
    p = s.Profile(s.FixedIPs(rng, c.base.ips.net, rng.randint(60, 250)), c.base.agents, c.base.mix, lambda t: c.base.rate(t) * f, c.base.noise)
    add(c, p, t0, end, ramp(t0, 1200, .2))
    c.label("autoscale_burst", "benign", t0, end)


# Country -> a prefix that a provider there gives to homes, and the provider's number.
V6 = {"US": ("2601:646", 7922), "DE": ("2003:e5", 3320), "GB": ("2a00:23c6", 2856),
      "JP": ("2400:4050", 4713), "CN": ("240e:3b1", 4134), "IN": ("2405:201", 24560), "FI": ("2001:14ba", 1257)}


def ipv6_privacy(c, rng, t0, horizon):
    """The provider turns IPv6 on: the same people, most calls now from addresses that change every few hours."""
    prefix, asn = V6[c.home]
    v4 = s.FixedIPs(rng, next((n for n in s.NETS if n["asn"] == asn and n["country"] == c.home), None) or home_isp(c, rng), 2)
    c.base.ips = v4
    swap(c, t0, horizon, s.Profile(Union((7, PrivacyV6(rng, prefix, rng.randint(1, 3))), (3, v4)), c.base.agents, c.base.mix, c.base.rate, c.base.noise))
    c.label("ipv6_privacy", "benign", t0, horizon)


def mobile_workforce(c, rng, t0, horizon):
    """The same tool goes on the road: phones and homes of the country in place of the office."""
    pool = s.nets(["mobile", "isp"], country=c.home) or s.nets("isp", country="SE")
    road = s.Population(rng, pool, rng.randint(8, 25))
    swap(c, t0, horizon, s.Profile(Union((6, road), (4, c.base.ips)), c.base.agents, c.base.mix, lambda t: c.base.rate(t) * 1.3, c.base.noise), s.hours(rng, 6, 48))
    c.label("mobile_workforce", "benign", t0, horizon)


def ci_pipeline(c, rng, t0, horizon):
    """Tests run in a hosted CI: bursts of two minutes, a fresh cloud machine each, office hours, some calls meant to fail."""
    calls, agent = [], rng.choice(s.AGENTS[:12])
    pool = [n for n in s.nets("cloud") if n["country"] in ("US", "NL", "DE")]
    asn = rng.choice(pool)["asn"]
    pool = [n for n in pool if n["asn"] == asn]
    routes = rng.sample(c.base.mix.routes, max(1, len(c.base.mix.routes) // 2))
    mix = s.Mix(rng, routes + [s.BY_PATH[("GET", "/v1/me")]], {400: .05, 404: .04, 401: .01}, c.base.mix.ids)
    day = 0
    while t0 + day * s.DAY < horizon:
        noon = local(c, t0, 9) + day * s.DAY
        if int((noon + c.tz * 3600) // s.DAY) % 7 < 5:
            for _ in range(rng.randint(3, 9)):
                at, ip = noon + rng.uniform(0, 9 * 3600), s.ip_in(rng, rng.choice(pool))
                for _ in range(rng.randint(15, 60)):
                    at += rng.expovariate(1 / 3)
                    calls.append((at, ip, agent, mix))
        day += 1
    calls = [x for x in calls if x[0] < horizon]
    if not calls:
        return False
    first = min(x[0] for x in calls)
    add(c, Calls(calls), first, horizon)
    c.label("ci_pipeline", "benign", first, horizon)


def region_failover(c, rng, t0, horizon):
    """The region is down: everything comes from the standby in another for some hours, then as before."""
    end = t0 + s.hours(rng, 1, 9)
    pool = [n for n in s.NETS if n["asn"] == c.base.ips.net["asn"] and n["country"] != c.base.ips.net["country"]] or s.nets("cloud", not_country=[c.base.ips.net["country"]])
    swap(c, t0, end, s.Profile(s.FixedIPs(rng, rng.choice(pool), rng.randint(1, 4)), c.base.agents, c.base.mix, c.base.rate, c.base.noise))
    c.label("region_failover", "benign", t0, end)


def dst_shift(c, rng, t0, horizon):
    """The clocks go forward on a Sunday: everything an hour earlier."""
    t0 = 13 * s.DAY + 2 * 3600 - c.tz * 3600
    swap(c, t0, horizon, s.Profile(c.base.ips, c.base.agents, c.base.mix, lambda t: c.base.rate(t + 3600), c.base.noise))
    c.label("dst_shift", "benign", t0, horizon)


def sdk_upgrade(c, rng, t0, horizon):
    """A rolling change to another HTTP library and the next version of the API: same machines, same objects, /v2/."""
    routes = [(m, p.replace("/v1/", "/v2/", 1), *rest) for m, p, *rest in c.base.mix.routes]
    mix = s.Mix(rng, routes, s.habits(rng), c.base.mix.ids)
    swap(c, t0, horizon, s.Profile(c.base.ips, [rng.choice(TOOLS)], mix, c.base.rate, c.base.noise), s.hours(rng, 1, 24))
    c.label("sdk_upgrade", "benign", t0, horizon)


def new_feature(c, rng, t0, horizon):
    """A new product on the same machines: routes and objects never asked for before, a good part of the traffic."""
    routes = rng.sample([route("GET", "/v1/recommendations/{id}", 20), route("POST", "/v1/carts", 10), route("GET", "/v1/carts/{id}", 20), route("GET", "/v1/stock/{id}", 20, 300),
                         route("POST", "/v1/quotes", 8), route("DELETE", "/v1/carts/{id}", 4, 60), route("GET", "/v1/inventory", 6, 20000)], 3)
    p = s.Profile(c.base.ips, c.base.agents, s.Mix(rng, routes, s.habits(rng)), c.base.rate, c.base.noise)
    f = rng.uniform(.3, 1)
    add(c, p, t0, horizon, ramp(t0, s.hours(rng, .2, 12), .1 * f, f))
    c.label("new_feature", "benign", t0, horizon)


def seasonal_sale(c, rng, t0, horizon):
    """A sale: ten times the traffic for one or two days, up within the hour."""
    end = min(t0 + rng.uniform(.8, 2) * s.DAY, horizon)
    top = rng.uniform(7, 13)
    rise = ramp(t0, s.hours(rng, .3, 2), 1, top)
    scale_base(c, lambda t: rise(t) if t < end else 1.0)
    c.label("seasonal_sale", "benign", t0, end)


def vpn_exit_change(c, rng, t0, horizon):
    """The office's VPN leaves by another provider from one minute to the next: same tools, same people."""
    pool = s.nets(["isp", "vps"], country=c.home, not_asn=c.own_asns()) or s.nets("isp", country="SE")
    swap(c, t0, horizon, s.Profile(s.FixedIPs(rng, rng.choice(pool), rng.randint(1, 2)), c.base.agents, c.base.mix, c.base.rate, c.base.noise))
    c.label("vpn_exit_change", "benign", t0, horizon)


def load_test(c, rng, t0, horizon):
    """A load test that nobody announced: a generator beside the customer's own servers, all usual routes, steps up, one hour, office time."""
    t0 = local(c, t0, rng.uniform(9.5, 16))
    end = t0 + s.hours(rng, .4, 1.5)
    top = max(c.mean_rate() * rng.uniform(15, 60), .5)
    p = s.Profile(s.FixedIPs(rng, c.base.ips.net, rng.randint(1, 3)), [rng.choice(["k6/0.56.0 (https://k6.io/)", "Gatling/3.13", "vegeta 12.12"])],
                  s.Mix(rng, c.base.mix.routes, {429: .05, 500: .01}, c.base.mix.ids), lambda t: top * math.ceil(4 * max(t - t0, 1) / (end - t0)) / 4, 0.03)
    add(c, p, t0, end)
    c.label("load_test", "benign", t0, end)


def integrator_onboard(group, rng, t0, horizon):
    """Several customers switch on the same integration service: its four addresses turn up behind each of their keys, for good."""
    ips = s.FixedIPs(rng, rng.choice([n for n in s.nets("cloud") if n["country"] == "US"]), 4)
    for c in group:
        a = t0 + rng.uniform(0, 3 * s.DAY)
        reads = [r for r in c.base.mix.routes if r[0] == "GET"] or c.base.mix.routes
        p = s.Profile(ips, ["Zapier"], s.Mix(rng, rng.sample(reads, min(len(reads), rng.randint(1, 3))), s.habits(rng), c.base.mix.ids),
                      s.flat(max(c.mean_rate() * rng.uniform(.1, .5), 60 / s.DAY)), 0.3)
        add(c, p, a, horizon)
        c.label("integrator_onboard", "benign", a, horizon)


def outage_retry(group, rng, t0, horizon):
    """An outage of the platform (the second incident): these clients try everything again and again while it lasts."""
    a, b = t0, horizon
    for c in group:
        f = rng.uniform(3, 10)
        p = s.Profile(c.base.ips, c.base.agents, c.base.mix, lambda t, c=c, f=f: c.base.rate(t) * f, 0.1)
        add(c, p, a, b)
        c.label("outage_retry", "benign", a, b + 600)


def pagination_backfill(c, rng, t0, horizon):
    """The customer's own client copies its data once more: page by page and object by object, in order, from the usual machine."""
    end = t0 + s.hours(rng, 1, 4)
    reads = [r for r in c.base.mix.routes if r[0] == "GET" and "{id}" in r[1]][:2] or [READS[2]]
    pages = s.Mix(rng, [route("GET", "/v1/items?page={id}", 10, 9000, 40)], {}, Pages())
    f = max(c.mean_rate() * rng.uniform(3, 12), .05)
    add(c, s.Profile(c.base.ips, c.base.agents, s.Mix(rng, reads, {404: .01}, s.Counter(rng)), s.flat(f), 0.1), t0, end)
    add(c, s.Profile(c.base.ips, c.base.agents, pages, s.flat(f / 4), 0.1), t0, end)
    c.label("pagination_backfill", "benign", t0, end)


def new_employee(c, rng, t0, horizon):
    """A new colleague's script from home, same country: first a few clumsy calls, then a small job every morning."""
    net, agent = home_isp(c, rng), [rng.choice(s.AGENTS[:12])]
    ips = s.FixedIPs(rng, net, 1)
    t0 = local(c, t0, 10)
    add(c, s.Profile(ips, agent, s.Mix(rng, c.base.mix.routes, {400: .15, 404: .08, 422: .05}, c.base.mix.ids), s.flat(40 / (4 * 3600)), .5), t0, t0 + 4 * 3600)
    n = rng.randint(30, 120)
    job = s.Mix(rng, rng.sample(c.base.mix.routes, min(3, len(c.base.mix.routes))), s.habits(rng), c.base.mix.ids)
    add(c, s.Profile(ips, agent, job, lambda t: n / 1800 if (t - t0) % s.DAY < 1800 and int((t + c.tz * 3600) // s.DAY) % 7 < 5 else 0.0, .2), t0 + s.DAY, horizon)
    c.label("new_employee", "benign", t0, horizon)


def fresh_key(c, rng, t0, horizon):
    """A key issued today goes to work at once with all its traffic."""
    c.segments = [(c.base, t0, horizon, s.ONE)]
    c.created = t0 - rng.uniform(60, 7200)
    c.label("fresh_key", "benign", t0, horizon)


def owner_returns(c, rng, t0, horizon):
    """The owner of a forgotten key takes the project up again: same network, same tool, next version."""
    end = min(t0 + rng.uniform(.5, 3) * s.DAY, horizon)
    ips = c.base.ips if rng.random() < .6 else s.FixedIPs(rng, c.base.ips.net, 1)
    p = s.Profile(ips, c.base.agents if rng.random() < .5 else bump(c.base.agents), c.base.mix, c.base.rate, c.base.noise)
    add(c, p, t0, end, lambda t: max(1.0, 150 / max(c.per_day, 1)))
    c.label("owner_returns", "benign", t0, end)


# Honest mirrors of what thieves do: who learns to stop shuffled_harvest, ua_copier, replayer and order_fraud has to leave these alone.
def warehouse_sync(c, rng, t0, horizon):
    """Every night a warehouse copies the customer's data: cloud, in the country or the US, listings and then each of the customer's OWN objects."""
    net = rng.choice(s.nets("cloud", not_asn=c.own_asns()))
    t0 = local(c, t0, 2)
    agent = list(c.base.agents) if rng.random() < .4 else [rng.choice(s.AGENTS[:12])]
    ips = s.FixedIPs(rng, net, rng.randint(1, 2))
    # With routes that the customer never used its objects could not be told from a thief's: undecidable, so its own routes only.
    reads = [r for r in c.base.mix.routes if r[0] == "GET" and "{id}" in r[1]][:3] or [r for r in c.base.mix.routes if r[0] == "GET"] or c.base.mix.routes[:1]

    def night(n):
        return lambda t: n / 3600 if (t - t0) % s.DAY < 3600 else 0.0

    n = rng.randint(200, 500)
    add(c, s.Profile(ips, agent, s.Mix(rng, reads, {404: .005}, Own(c.base.mix.ids)), night(n), .05), t0, horizon)
    add(c, s.Profile(ips, agent, s.Mix(rng, [route("GET", "/v1/items?page={id}", 10, 9000, 40)], {}, Pages()), night(n / 10), .05), t0, horizon)
    c.label("warehouse_sync", "benign", t0, horizon)


def outside_load_test(c, rng, t0, horizon):
    """A hired load-test service, three regions of a cloud, the customer's usual routes and objects, steps, office time, an hour; refused by limit only."""
    t0 = local(c, t0, rng.uniform(9.5, 16))
    end = t0 + s.hours(rng, .4, 1.2)
    asn = rng.choice([16509, 8075])
    top = max(c.mean_rate() * rng.uniform(10, 40), .3)
    ips = Union(*[(1, s.FixedIPs(rng, n, 3)) for n in rng.sample([n for n in s.NETS if n["asn"] == asn], 3)])
    p = s.Profile(ips, [rng.choice(["k6/0.56.0 (https://k6.io/)", "Gatling/3.13", "Artillery/2.0"])], s.Mix(rng, c.base.mix.routes, {429: .06, 500: .01}, c.base.mix.ids),
                  lambda t: top * math.ceil(4 * max(t - t0, 1) / (end - t0)) / 4, .03)
    add(c, p, t0, end)
    c.label("outside_load_test", "benign", t0, end)


def partner_orders(c, rng, t0, horizon):
    """A shop partner orders through the key: cloud, office hours, orders and looking them up, hardly refused."""
    net = rng.choice(s.nets("cloud", not_asn=c.own_asns()))
    mix = s.Mix(rng, [s.BY_PATH[("POST", "/v1/orders")], s.BY_PATH[("GET", "/v1/orders/{id}")], s.BY_PATH[("GET", "/v1/prices")]], {400: .01, 402: .01, 404: .003}, c.base.mix.ids)
    p = s.Profile(s.FixedIPs(rng, net, 2), [rng.choice(s.AGENTS[:12])], mix, s.office(max(c.mean_rate() * rng.uniform(.1, .4), 60 / s.DAY), c.tz), .3)
    add(c, p, t0, horizon)
    c.label("partner_orders", "benign", t0, horizon)
