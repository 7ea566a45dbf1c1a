"""Changes that the customer makes or meets: nothing may happen to the key."""
from parts import DAY, SLOT, Timer, ask, bump, homes, instead, join, like_base, local_time, move_over, pause, rising, s, saturday, scale, servers_near, v6


def elsewhere(c, rng, net):
    """As many machines as the customer has, in `net`."""
    n = len(c.base.ips.ips)
    return s.ScalingIPs(rng, net, n) if isinstance(c.base.ips, s.ScalingIPs) else s.FixedIPs(rng, net, n)


def cgnat_shift(c, rng, t0, horizon):
    """A carrier puts its subscribers behind a few shared addresses; half of the app's users are seen from there."""
    carrier = rng.choice([n for n in c.base.ips.networks if n["country"] == c.home] or c.base.ips.networks)
    shared = s.FixedIPs(rng, carrier, rng.randint(4, 24))
    move_over(c, like_base(c, ips=shared), t0, horizon, s.hours(rng, 3, 48), rng.uniform(0.3, 0.8))
    c.label("cgnat_shift", "benign", t0, horizon)


def dual_stack(c, rng, t0, horizon):
    """IPv6 is switched on: the same networks, and a part of the calls comes from long addresses."""
    if isinstance(c.base.ips, s.Population):
        long = s.Population(rng, [v6(n) for n in c.base.ips.networks], c.base.ips.size)
    else:
        long = elsewhere(c, rng, v6(c.base.ips.net))
    move_over(c, like_base(c, ips=long), t0, horizon, s.hours(rng, 1, 60), rng.uniform(0.3, 0.9))
    c.label("dual_stack", "benign", t0, horizon)


def egress_proxy(c, rng, t0, horizon):
    """All that leaves the company goes through one gateway at another provider from a certain evening on."""
    gate = s.FixedIPs(rng, rng.choice(servers_near(c)), rng.randint(1, 3))
    t0 = local_time(c, int(t0 // DAY), rng.uniform(18, 23))
    instead(c, like_base(c, ips=gate), t0, horizon)
    c.label("egress_proxy", "benign", t0, horizon)


def dst_shift(c, rng, t0, horizon):
    """The clocks change: the job runs an hour later. One that runs every hour is moved by some minutes."""
    rate, t0 = c.base.rate, local_time(c, int(t0 // DAY), 2)
    later = 3600 if any(rate(t) != rate(t - 3600) for t in range(SLOT // 2, DAY, SLOT)) else SLOT * rng.randint(1, 5)
    instead(c, like_base(c, rate=lambda t: rate(t - later)), t0, horizon)
    c.label("dst_shift", "benign", t0, horizon)


def clock_fix(c, rng, t0, horizon):
    """The servers' time zone is set right; the day's curve moves by some hours for good."""
    rate, shift = c.base.rate, rng.choice([-1, 1]) * s.hours(rng, 3, 9)
    instead(c, like_base(c, rate=lambda t: rate(t + shift)), t0, horizon)
    c.label("clock_fix", "benign", t0, horizon)


def catch_up(c, rng, t0, horizon):
    """The customer's line is dead for an hour or more; then the queue is worked off, some of it told to wait."""
    back = t0 + s.hours(rng, 0.7, 4)
    end = back + s.hours(rng, 0.5, 2)
    mix = s.Mix(rng, c.base.mix.routes, {429: rng.uniform(.02, .2), 409: rng.uniform(0, .05)}, c.base.mix.ids)
    mix.weights = c.base.mix.weights
    pause(c, t0, end)
    c.segments.append((like_base(c, mix=mix), back, end, s.flat(rng.uniform(3, 9))))
    c.label("catch_up", "benign", t0, end)


def sdk_upgrade(c, rng, t0, horizon):
    """The next version of the same client is rolled out over some days: answers of another size, one more route at most."""
    more = s.some_routes(rng, 1, 1) if rng.random() < 0.5 else []
    mix = s.Mix(rng, c.base.mix.routes + more, s.habits(rng), c.base.mix.ids, bytes_factor=rng.uniform(0.5, 2))
    new = like_base(c, agents=[bump(a, rng) for a in c.base.agents], mix=mix)
    move_over(c, new, t0, horizon, s.hours(rng, 6, 90))
    c.label("sdk_upgrade", "benign", t0, horizon)


def failover(c, rng, t0, horizon):
    """The region is down: the standby in another one serves for some hours, then all is back."""
    end = t0 + s.hours(rng, 2, 14)
    net = c.base.ips.net
    regions = [n for n in s.nets(net["kind"]) if n["name"] == net["name"] and n["country"] != net["country"]]
    standby = elsewhere(c, rng, rng.choice(regions or servers_near(c)))
    instead(c, like_base(c, ips=standby), t0 + rng.uniform(60, 900), end)
    c.label("failover", "benign", t0, end)


def ab_test(c, rng, t0, horizon):
    """For some days a part of the users sees a page that asks for one to three routes more."""
    end = min(t0 + rng.uniform(1.5, 6) * DAY, horizon)
    share = rng.uniform(0.1, 0.5)
    mix = s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 1, 3, tokens=False), s.habits(rng), c.base.mix.ids)
    scale(c, lambda t: 1 - share if t0 <= t < end else 1.0)
    c.segments.append((like_base(c, mix=mix), t0, end, s.flat(share)))
    c.label("ab_test", "benign", t0, end)


def season_peak(c, rng, t0, horizon):
    """The trade's great days: some times the volume within a day or two, and down again."""
    up, stay, down, top = (rng.uniform(*x) for x in ((0.5 * DAY, 2 * DAY), (0.3 * DAY, 1.5 * DAY), (0.5 * DAY, 2 * DAY), (2.5, 6)))
    end = min(t0 + up + stay + down, horizon)
    rise, fall = rising(t0, up), rising(t0 + up + stay, down)
    scale(c, lambda t: 1 + (top - 1) * (rise(t) - fall(t)))
    c.label("season_peak", "benign", t0, end)


def auditor(c, rng, t0, horizon):
    """An auditor sits in the company's country for some days and reads orders and reports by hand."""
    start = local_time(c, int(t0 // DAY), 9)
    end = min(start + rng.uniform(1.4, 4.4) * DAY, horizon)
    errors = {k: v * 3 for k, v in s.habits(rng).items()}
    mix = s.Mix(rng, [ask("GET", "/v1/orders/{id}", 12), ask("GET", "/v1/reports/{id}", 3), ask("GET", "/v1/users/{id}", 4), ask("GET", "/v1/me", 1)], errors)
    join(c, rng, s.FixedIPs(rng, rng.choice(homes(c)), 1), [rng.choice(s.AGENTS[:12])], mix, s.office(rng.uniform(60, 250) / DAY, c.tz), start, end, 0.8)
    c.label("auditor", "benign", start, end)


def lb_health(c, rng, t0, horizon):
    """A load balancer in the customer's own network asks every few seconds whether the way to us is open."""
    ips = s.FixedIPs(rng, c.base.ips.net, rng.randint(2, 3))
    mix = s.Mix(rng, [ask("GET", "/v1/me")], {})
    c.segments.append((Timer(ips, ["ELB-HealthChecker/2.0"], mix, rng.choice([15, 30, 30, 60]), t0), t0, horizon, s.ONE))
    c.label("lb_health", "benign", t0, horizon)


def dev_sandbox(c, rng, t0, horizon):
    """A developer at home learns the API on the real key: makes things, deletes them again, errs a lot."""
    start = local_time(c, int(t0 // DAY), 9)
    end = min(start + rng.uniform(0.4, 3.4) * DAY, horizon)
    mix = s.Mix(rng, [ask("POST", "/v1/items", 8), ask("GET", "/v1/items", 6), ask("GET", "/v1/items/{id}", 8), ask("DELETE", "/v1/items/{id}", 3)]
                + rng.sample(c.base.mix.routes, 1), {400: rng.uniform(.08, .25), 404: rng.uniform(.03, .15), 422: rng.uniform(0, .1)})
    join(c, rng, s.FixedIPs(rng, rng.choice(homes(c)), 1), [rng.choice(s.AGENTS[:12])], mix, s.office(rng.uniform(50, 200) / DAY, c.tz), start, end, 0.9)
    c.label("dev_sandbox", "benign", start, end)


def weekend_deploy(c, rng, t0, horizon):
    """On Saturday the service stops for maintenance, is tried out from a build machine, and fills its caches."""
    t0 = local_time(c, saturday(t0), rng.uniform(7, 13))
    back = t0 + s.hours(rng, 0.5, 2)
    end = back + s.hours(rng, 0.7, 2.5)
    pause(c, t0, back)
    warm = rng.uniform(1.5, 4)
    scale(c, lambda t: warm if back <= t < end else 1.0)
    mix = s.Mix(rng, c.base.mix.routes, {400: rng.uniform(0, .03), 404: rng.uniform(0, .03)}, c.base.mix.ids)
    join(c, rng, s.FixedIPs(rng, rng.choice(s.nets("cloud", country="US")), 1), c.base.agents, mix, s.flat(rng.uniform(0.02, 0.08)),
         back - 1200, back)
    c.label("weekend_deploy", "benign", t0, end)


def cache_fix(c, rng, t0, horizon):
    """The customer mends a bug that asked for everything again and again: a fraction of the calls is left."""
    routes = rng.sample(c.base.mix.routes, max(1, len(c.base.mix.routes) * 2 // 3))
    instead(c, like_base(c, mix=s.Mix(rng, routes, s.habits(rng), c.base.mix.ids)), t0, horizon, s.flat(rng.uniform(0.1, 0.45)))
    c.label("cache_fix", "benign", t0, horizon)


def longer_prompts(c, rng, t0, horizon):
    """Documents are put into the prompts: within days each call has two or three times the tokens."""
    mix = s.Mix(rng, c.base.mix.routes, c.base.mix.errors, c.base.mix.ids, tokens_factor=rng.uniform(1.4, 3))
    mix.weights = c.base.mix.weights
    move_over(c, like_base(c, mix=mix), t0, horizon, s.hours(rng, 12, 72))
    c.label("longer_prompts", "benign", t0, horizon)


def ci_pipeline(c, rng, t0, horizon):
    """Tests against the real API on hired build machines: a fresh address for every run, in working hours."""
    cloud = rng.choice([n for n in s.nets("cloud", country="US") if n["asn"] not in c.own_asns()])
    agent, per_day = [rng.choice(c.base.agents)], rng.randint(2, 9)
    mix = s.Mix(rng, c.base.mix.routes, {400: rng.uniform(.02, .1), 404: rng.uniform(.02, .1)})
    first = None
    for day in range(int(t0 // DAY), int(horizon // DAY)):
        for a in sorted(local_time(c, day, rng.uniform(9, 18)) for _ in range(per_day)) if day % 7 < 5 else ():
            if t0 <= a < horizon:
                first = first or a
                long = rng.uniform(120, 600)
                join(c, rng, s.FixedIPs(rng, cloud, 1), agent, mix, s.flat(rng.uniform(25, 80) / long), a, a + long, 0.05)
    c.label("ci_pipeline", "benign", first or t0, horizon)


def seasonal_return(c, rng, t0, horizon):
    """A shop that is open some weeks of the year wakes up: the same network and program as before, a newer version maybe."""
    ips = c.base.ips if rng.random() < 0.5 else s.FixedIPs(rng, c.base.ips.net, 1)
    agents = c.base.agents if rng.random() < 0.6 else [bump(a, rng) for a in c.base.agents]
    c.segments.append((like_base(c, ips=ips, agents=agents), t0, horizon, s.ONE))
    c.label("seasonal_return", "benign", t0, horizon)


def snow_day(c, rng, t0, horizon):
    """Nobody can come to the office for a day or three: the same people and programs, from their homes."""
    start = local_time(c, int(t0 // DAY), 6)
    end = min(start + rng.randint(1, 3) * DAY, horizon)
    lines = [rng.choice(homes(c)) for _ in range(rng.randint(2, 5))]
    ips = s.FixedIPs(rng, lines[0], 1)
    ips.ips = [s.ip_in(rng, n) for n in lines]
    instead(c, like_base(c, ips=ips), start, end)
    c.label("snow_day", "benign", start, end)


EPISODES = {
    "cgnat_shift": (cgnat_shift, ("mobile",)), "dual_stack": (dual_stack, ("server", "fleet", "mobile")),
    "egress_proxy": (egress_proxy, ("server", "fleet", "desk")), "dst_shift": (dst_shift, ("cron",)),
    "clock_fix": (clock_fix, ("server", "llm", "fleet")), "catch_up": (catch_up, ("server", "fleet", "llm")),
    "sdk_upgrade": (sdk_upgrade, ("server", "fleet", "llm", "mobile")), "failover": (failover, ("server", "fleet")),
    "ab_test": (ab_test, ("server", "fleet", "mobile")), "season_peak": (season_peak, ("server", "fleet", "mobile")),
    "auditor": (auditor, ("desk", "server", "fleet")), "lb_health": (lb_health, ("server", "fleet", "cron")),
    "dev_sandbox": (dev_sandbox, ("server", "llm", "cron")), "weekend_deploy": (weekend_deploy, ("server", "fleet")),
    "cache_fix": (cache_fix, ("server", "fleet", "llm", "mobile")), "longer_prompts": (longer_prompts, ("llm",)),
    "ci_pipeline": (ci_pipeline, ("server", "llm", "desk")), "seasonal_return": (seasonal_return, ("dormant",)),
    "snow_day": (snow_day, ("desk",)),
}
