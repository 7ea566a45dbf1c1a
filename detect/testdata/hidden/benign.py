"""What customers do of their own accord. None of it is theft, and little of it is worth anybody's time."""
from parts import DAY, HOSTED, MACHINES, ONE, PrivacyV6, act, between, homes, hours, kin, local_hour, other_program, own_network, ramp, replace, reshape, \
    routes, s, status, steady, uneven, until

# Networks of the shared list whose operators give IPv6 to homes, with a block of theirs.
V6 = {7922: "2601:280", 20115: "2600:6c50", 701: "2600:4040", 3320: "2003:c0", 3209: "2a02:8108", 2856: "2a00:23c4", 24560: "2401:4900", 4713: "2400:4050",
      2516: "2001:268", 4134: "240e:338", 4837: "2408:8207"}


def another_cloud(c, rng):
    return rng.choice(s.nets("cloud", not_asn=c.own_asns()))


def workday(t0, tz, lo, hi, horizon):
    """The first moment from t0 on between the local hours lo and hi of a workday; never in the last days of the log, which may be a weekend."""
    t0 = min(t0, horizon - 3.6 * DAY)
    return t0 + until(t0, tz, lo, hi)


def busy(c, least=80):
    """Whether the customer calls often enough, times a day, for the episode to be seen at all."""
    return c.per_day >= least


def same(c, ips, agents=None, mix=None):
    """The customer's own client, elsewhere or newer."""
    return s.Profile(ips, agents or c.base.agents, mix or c.base.mix, c.base.rate, c.base.noise)


def lift_and_shift(c, rng, t0, horizon):
    """The customer moves to another cloud: for a day or two the new place reads along, then it takes over and the old one goes."""
    if not busy(c):
        return False
    cut_over = t0 + hours(rng, 6, 36)
    new = same(c, s.FixedIPs(rng, another_cloud(c, rng), rng.randint(1, 5)))
    share, up = rng.uniform(.2, .6), ramp(cut_over, cut_over + hours(rng, .5, 5))
    reshape(c, lambda t: 1 - up(t))
    reads = [r for r in c.base.mix.routes if r[0] == "GET"]
    if reads:
        c.segments.append((same(c, new.ips, mix=kin(c, rng, reads, c.base.mix.errors)), t0, cut_over, lambda t: share))
    c.segments.append((new, t0, horizon, up))
    c.label("lift_and_shift", "benign", t0 if reads else cut_over, horizon)


def second_office(c, rng, t0, horizon):
    """A company opens an office in another city or country; people there start with the same tools at their own hours."""
    tz = rng.choice([c.tz, c.tz + 1, -5, 1, 8])
    net = rng.choice(s.nets("isp", country=c.home if rng.random() < .5 else None, not_asn=c.own_asns()) or s.nets("isp"))
    p = s.Profile(s.FixedIPs(rng, net, rng.randint(1, 2)), c.base.agents, kin(c, rng, c.base.mix.routes, c.base.mix.errors), s.office(max(c.mean_rate() * .3, 60 / DAY), tz), .9)
    start = workday(t0, tz, 9, 17, horizon)
    c.segments.append((p, start, horizon, lambda t: min(1, .3 + (t - start) / (3 * DAY))))
    c.label("second_office", "benign", start, horizon)


def vpn_rollout(c, rng, t0, horizon):
    """The company sends everybody through a VPN: the same people and programs come from two exits from one working day on."""
    if not busy(c):
        return False
    start = workday(t0, c.tz, 9, 11, horizon)
    net = rng.choice(s.nets("vpn"))
    replace(c, same(c, s.FixedIPs(rng, net, rng.randint(1, 3))), start, start + hours(rng, .5, 9), horizon)
    c.label("vpn_rollout", "benign", start, horizon)


def hosted_ci(c, rng, t0, horizon):
    """The customer's tests run against the API from a hosted build service: a fresh machine for each run, own objects made and removed, errors asked for on purpose."""
    net, runs, calls = rng.choice(s.nets("cloud")), rng.uniform(4, 15), rng.randint(10, 30)
    reads = ["%s %s" % (r[0], r[1]) for r in c.base.mix.routes if r[0] == "GET" and not r[5]] or ["GET /v1/me"]

    def story(r, now):
        n = r.randint(1_900_000, 1_990_000)
        while True:
            yield until(now() + r.expovariate(runs / (9 * 3600)), c.tz, 9, 19) + r.uniform(1, 1800), "GET /v1/me", None, None, 1
            for _ in range(calls // 5):
                n += r.randint(1, 40)
                refused = r.random() < .2
                yield r.uniform(.2, 2), "POST /v1/items", None, 422 if refused else None, .6
                if refused:
                    continue
                yield r.uniform(.1, 1), "GET /v1/items/{id}", n, None, .5
                name = r.choice(reads)
                yield r.uniform(.1, 1), name, c.base.mix.ids.pick(r) if "{id}" in name else None, 404 if r.random() < .15 else None, 1
                yield r.uniform(.1, 1), "DELETE /v1/items/{id}", n, None, 1
    start = workday(t0, c.tz, 9, 18, horizon)
    act(c, rng, s.ThrowAway([net], calls // 2), other_program(c, rng) if rng.random() < .5 else c.base.agents, story, start, horizon)
    c.label("hosted_ci", "benign", start, horizon)


def abroad_users(c, rng, t0, horizon):
    """The app is offered in another country: over some days more and more phones on the carriers there, with the same app."""
    there = rng.choice(sorted({n["country"] for n in s.nets(["isp", "mobile"])} - {c.home}))
    p = s.Profile(s.Population(rng, homes(c, there), max(20, int(c.per_day / 10))), c.base.agents, kin(c, rng, c.base.mix.routes, c.base.mix.errors),
                  s.diurnal(max(c.mean_rate() * rng.uniform(.2, 1), 60 / DAY), rng.choice([-5, 1, 5.5, 9]), .8, 1.2, peak=19), .2)
    c.segments.append((p, t0, horizon, lambda t: .05 + .95 * min(1, (t - t0) / (4 * DAY))))
    c.label("abroad_users", "benign", t0, horizon)


def privacy_v6(c, rng, t0, horizon):
    """The provider turns IPv6 on: the same desk comes from addresses that change all day within the provider's block."""
    net = own_network(c)
    if net is None or net["asn"] not in V6 or not busy(c):
        return False
    replace(c, same(c, PrivacyV6(rng, V6[net["asn"]])), t0, t0 + hours(rng, .1, 30), horizon)
    c.label("privacy_v6", "benign", t0, horizon)


def edge_in_front(c, rng, t0, horizon):
    """The customer's calls go out through an edge network from now on: the same client from dozens of addresses in several places of one operator."""
    if not busy(c):
        return False
    asn = rng.choice([a for a in (16509, 396982, 8075, 63949, 14061) if a not in c.own_asns()])
    places = [n for n in s.NETS if n["asn"] == asn]
    ips = s.Population(rng, places, rng.randint(15, 60))
    replace(c, same(c, ips), t0, t0 + hours(rng, .2, 3), horizon)
    c.label("edge_in_front", "benign", t0, horizon)


def sister_team(c, rng, t0, horizon):
    """A second team of the same company begins to use the key in the company's own cloud: another language, some of the routes and one more, first by hand, then for good."""
    net = own_network(c)
    if net is None:
        return False
    mine = c.base.mix.routes
    mix = kin(c, rng, rng.sample(mine, max(1, len(mine) // 2)) + s.some_routes(rng, 1, 1, tokens=False), {k: v * 3 for k, v in s.habits(rng).items()})
    p = s.Profile(s.FixedIPs(rng, net, rng.randint(1, 3)), other_program(c, rng), mix, s.diurnal(max(c.mean_rate() * rng.uniform(.2, .9), 50 / DAY), c.tz, .6, .5), .3)
    start = workday(t0, c.tz, 9, 17, horizon)
    live = start + rng.uniform(1, 3) * DAY
    c.segments.append((p, start, horizon, lambda t: 1.0 if t > live else .15))
    c.label("sister_team", "benign", start, horizon)


def partner_orders(c, rng, t0, horizon):
    """A partner's system places orders for the customer in business hours and asks after each until it is done; on the first day some are malformed."""
    tz, flows = rng.choice([-5, 0, 1, 8]), between(rng, 30, 200)
    start = workday(t0, tz, 9, 17, horizon)

    def story(r, now):
        n = r.randint(1_000_000, 1_500_000)
        while True:
            wait = uneven(r, 10 * 3600 / flows)
            bad = r.random() < (.25 if now() < start + 10 * 3600 else .01)
            yield wait + until(now() + wait, tz, 8, 18), "POST /v1/orders", None, 422 if bad else None, 1
            n += r.randint(1, 300)
            for _ in range(0 if bad else r.randint(1, 4)):
                yield uneven(r, 90), "GET /v1/orders/{id}", n, None, 1
    act(c, rng, s.FixedIPs(rng, another_cloud(c, rng), rng.randint(1, 2)), other_program(c, rng), story, start, horizon)
    c.label("partner_orders", "benign", start, horizon)


def batch_live(c, rng, t0, horizon):
    """A nightly job goes live on the customer's machines: it lists, then refreshes each of the customer's objects, at the same hour every night."""
    first = local_hour(c, t0, rng.choice([1, 2, 3, 4]))
    pause, count = between(rng, .3, 3), rng.randint(80, 380)
    agents, writes = rng.choice([c.base.agents, other_program(c, rng)]), rng.random() < .5

    def story(r, now):
        for _ in range(r.randint(1, 4)):
            yield r.uniform(.5, 2), "GET /v1/items", None, None, 1
        for n in r.sample(c.base.mix.ids.hot, count):
            yield steady(r, pause, .4), "GET /v1/users/{id}" if writes else "GET /v1/items/{id}", n, status(r, {404: .01}), 1
            if writes and r.random() < .4:
                yield steady(r, pause, .4), "PATCH /v1/users/{id}", n, None, 1
    a = first
    while a < horizon:
        act(c, rng, c.base.ips, agents, story, a + rng.uniform(0, 60), min(a + 3 * 3600, horizon))
        a += DAY
    c.label("batch_live", "benign", first, horizon)


def night_loadtest(c, rng, t0, horizon):
    """Before a launch the customer tries in its own night, out of its own network, how much it may ask for: in steps, over its usual routes and objects."""
    net = own_network(c)
    if net is None or not busy(c, 150):
        return False
    t0 = local_hour(c, t0, rng.choice([22, 23, 0, 1]))
    step, top = rng.uniform(600, 1500), min(2, max(c.mean_rate() * rng.uniform(6, 20), between(rng, .1, .6)))
    stairs = [k / 4 for k in (1, 2, 3, 4, 1)]
    end = t0 + step * len(stairs)
    mix = kin(c, rng, c.base.mix.routes, {429: rng.uniform(0, .08), **c.base.mix.errors})
    p = s.Profile(s.FixedIPs(rng, net, rng.randint(1, 3)), [rng.choice(["k6/0.49.0 (https://k6.io/)", "Apache-HttpClient/4.5.13 (Java/17.0.9)", *c.base.agents])], mix,
                  s.flat(top), .05)
    c.segments.append((p, t0, end, lambda t: stairs[min(int((t - t0) / step), 4)]))
    c.label("night_loadtest", "benign", t0, end)


def reindex(c, rng, t0, horizon):
    """The customer builds its search index anew: its own server turns all pages of its list and opens every object in order, then goes on as ever."""
    end = t0 + hours(rng, 1.5, 6)
    pause, per_page = between(rng, .8, 5), rng.randint(20, 60)

    def story(r, now):
        n = r.randint(1, 1_200_000)
        while True:
            yield steady(r, pause, .3), "GET /v1/items", None, None, 2
            for _ in range(per_page):
                n += r.randint(1, 6)
                yield steady(r, pause, .3), "GET /v1/items/{id}", n, status(r, {404: .004}), 1
    act(c, rng, c.base.ips, c.base.agents, story, t0, end)
    c.label("reindex", "benign", t0, end)


def outage_retries(customers, rng, t0, end):
    """The platform answers 503 for half an hour; some customers' clients try again several times, and work off what has piled up afterwards."""
    for c in customers:
        times, after = rng.uniform(1.5, 5), end + rng.uniform(600, 2400)
        extra = same(c, c.base.ips)
        c.segments.append((extra, t0, after, (lambda k: lambda t: k if t < end else k / 2)(times)))
        c.label("outage_retries", "benign", t0, after)


def press_day(c, rng, t0, horizon):
    """The customer was in the news: a jump of the volume that fades over a day or two and leaves it larger than before."""
    if not busy(c, 40):
        return False
    top, stays, half = rng.uniform(3, 9), rng.uniform(1.2, 2), hours(rng, 3, 14)
    reshape(c, lambda t: 1 if t < t0 else stays + (top - stays) * .5 ** ((t - t0) / half))
    c.label("press_day", "benign", t0, horizon)


def bridge_days(c, rng, t0, horizon):
    """Public holidays: next to nothing for some days, and more than usual on the morning after."""
    if not busy(c):
        return False
    start = local_hour(c, t0, 0)
    back = min(start + rng.randint(2, 4) * DAY, horizon - DAY) + 8 * 3600
    low, more = rng.uniform(.02, .15), rng.uniform(1.5, 3)
    reshape(c, lambda t: low if start <= t < back else more if back <= t < back + 5 * 3600 else 1)
    c.label("bridge_days", "benign", start, back + 5 * 3600)


def client_rewrite(c, rng, t0, horizon):
    """A new version of the customer's client, often in another language: first on a twentieth of the traffic, next day on all. Answers are compressed, fewer calls fail."""
    if not busy(c):
        return False
    old = c.base.agents[0]
    agents = other_program(c, rng) if rng.random() < .6 else [old.rsplit(".", 1)[0] + ".%d" % rng.randint(20, 40)]
    mix = kin(c, rng, c.base.mix.routes + (routes("GET /v2/items/{id}", "GET /v2/items") if rng.random() < .4 else []),
              {k: v * .6 for k, v in c.base.mix.errors.items()}, rng.uniform(.3, 1))
    full, up = t0 + hours(rng, 8, 40), same(c, c.base.ips, agents, mix)
    share = lambda t: 0 if t < t0 else .05 if t < full else 1  # noqa: E731
    reshape(c, lambda t: 1 - share(t))
    c.segments.append((up, t0, horizon, share))
    c.label("client_rewrite", "benign", t0, horizon)


def recovery_drill(c, rng, t0, horizon):
    """The yearly exercise: for an hour or some all calls come from the second site, another region or another cloud, and then from home again."""
    if not busy(c, 250):
        return False
    start = workday(t0, c.tz, 8, 16, horizon)
    end = start + hours(rng, 1, 5)
    reshape(c, lambda t: 0 if start <= t < end else 1)
    c.segments.append((same(c, s.FixedIPs(rng, another_cloud(c, rng), rng.randint(1, 4))), start, end, ONE))
    c.label("recovery_drill", "benign", start, end)


def new_screen(c, rng, t0, horizon):
    """A new feature: with the next version of the client come two or three routes that the key never called, more and more as people update."""
    new = rng.sample(["GET /v1/recommendations/{id}", "GET /v1/wishlists/{id}", "POST /v1/wishlists", "GET /v2/items/{id}"], rng.randint(2, 3))
    if not busy(c):
        return False
    agents = ["acme-mobile/5.5.0 (iOS 19.2)", "acme-mobile/5.5.0 (Android 16)"] if c.kind == "mobile" else [c.base.agents[0].rsplit(".", 1)[0] + ".%d" % rng.randint(11, 19)]
    over = t0 + rng.uniform(.5, 5) * DAY
    replace(c, same(c, c.base.ips, agents, kin(c, rng, c.base.mix.routes + routes(*new), c.base.mix.errors)), t0, over, horizon)
    c.label("new_screen", "benign", t0, horizon)


def serverless(c, rng, t0, horizon):
    """The customer's job moves into functions: the same program from an address that changes every few calls, within one region of a cloud."""
    if not busy(c):
        return False
    net = rng.choice([n for n in s.nets("cloud")])
    new = same(c, s.ThrowAway([net], rng.randint(3, 20)), c.base.agents if rng.random() < .7 else [c.base.agents[0] + " exec-env/function"])
    replace(c, new, t0, t0 + hours(rng, 1, 24), horizon)
    c.label("serverless", "benign", t0, horizon)


def yearly_job(c, rng, t0, horizon):
    """A key that slept for a week and more is woken by its owner: the same machine, program, routes and objects as in its first days, for some hours."""
    if not busy(c, 40):
        return False
    end = t0 + hours(rng, 2, 12)
    c.segments.append((same(c, c.base.ips), t0, end, (lambda k: lambda t: k)(max(rng.uniform(.8, 2), between(rng, 60, 300) / c.per_day))))
    c.label("yearly_job", "benign", t0, end)


def payday(c, rng, t0, horizon):
    """Every other week the books are closed: reports and exports in number from the usual place. It was so two weeks before."""
    day = rng.choice([1, 2, 3, 4])
    pause = between(rng, 20, 150)

    def story(r, now):
        while True:
            for n in r.sample(c.base.mix.ids.hot, r.randint(3, 25)):
                yield uneven(r, pause), "GET /v1/reports/{id}", n, status(r, {404: .02}), 1
            yield uneven(r, pause), r.choice(["GET /v1/export/customers", "GET /v1/orders"]), None, None, 1
    agents, long = c.base.agents[:1], hours(rng, 3, 7)
    for again in (day, day + 14):
        start = local_hour(c, again * DAY, 9)
        end = min(start + long, horizon)
        act(c, rng, c.base.ips, agents, story, start, end)
    c.label("payday", "benign", start, end)


EPISODES = {f.__name__: (f, kinds) for f, kinds in (
    (lift_and_shift, MACHINES), (second_office, ("desk",)), (vpn_rollout, ("desk",)), (hosted_ci, ("server", "llm", "fleet", "desk")),
    (abroad_users, ("mobile",)), (privacy_v6, ("desk",)), (edge_in_front, HOSTED), (sister_team, ("server", "llm", "fleet", "cron")),
    (partner_orders, ("server", "fleet")), (batch_live, ("server", "fleet", "cron")), (night_loadtest, ("server", "fleet")),
    (reindex, ("server", "cron", "fleet")), (press_day, HOSTED + ("mobile",)), (bridge_days, ("desk", "server")), (client_rewrite, ("server", "fleet", "cron")),
    (recovery_drill, HOSTED), (new_screen, ("mobile", "server", "fleet")), (serverless, ("server", "cron", "llm")), (payday, ("desk", "server")), (yearly_job, ("dormant",)))}
GROUPS = {"outage_retries": (outage_retries, HOSTED + ("mobile",))}
