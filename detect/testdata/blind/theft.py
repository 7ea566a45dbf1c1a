"""What thieves and abusers do: to be suspended."""
from parts import Calls, FreshUuids, HotUuids, LongAnswers, Loop, READS, Rotating, Shuffled, TOOLS, add, home_isp, local, route, s, tool


def slow_boil(c, rng, t0, horizon):
    """A thief tries a call every some minutes for hours, then speeds up to several a second."""
    quiet = s.hours(rng, 4, 10)
    full = rng.uniform(1, 4)
    end = t0 + quiet + s.hours(rng, 2, 4)
    lo = 1 / rng.uniform(120, 400)

    def rate(t):
        return lo * min((full / lo) ** max(0.0, (t - t0 - quiet) / 5400), full / lo)

    mix = s.Mix(rng, rng.sample(READS, 3), {404: rng.uniform(.02, .15)}, rng.choice([s.Counter(rng), Shuffled()]))
    add(c, s.Profile(s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 2)), tool(c, rng), mix, rate, 0.1), t0, end)
    c.label("slow_boil", "suspend", t0, end)


def provider_rotation(c, rng, t0, horizon):
    """A scrape through hundreds of addresses of one provider."""
    end = t0 + s.hours(rng, 1, 5)
    asn = s.thief(c, rng, ("vps", "cloud"))["asn"]
    mix = s.Mix(rng, rng.sample(READS, 2), {404: rng.uniform(.02, .2), 429: .02}, rng.choice([s.Counter(rng), Shuffled()]))
    p = s.Profile(Rotating([n for n in s.NETS if n["asn"] == asn], 3, 25), tool(c, rng), mix, s.flat(rng.uniform(0.3, 3)), 0.05)
    add(c, p, t0, end)
    c.label("provider_rotation", "suspend", t0, end)


def ua_copier(c, rng, t0, horizon):
    """Same agent string, the customer's own routes, from elsewhere; ids that the customer never asked for, many times the volume."""
    end = t0 + s.hours(rng, 1, 6)
    own = [r for r in c.base.mix.routes if r[0] == "GET" and "{id}" in r[1]] or READS[:2]
    mix = s.Mix(rng, own, {404: rng.uniform(.01, .06)}, Shuffled())
    p = s.Profile(s.FixedIPs(rng, rng.choice(s.nets(["vps", "vpn", "isp"], not_asn=c.own_asns())), 1), list(c.base.agents), mix,
                  s.flat(max(0.2, c.mean_rate() * rng.uniform(10, 40))), 0.1)
    add(c, p, t0, end)
    c.label("ua_copier", "suspend", t0, end)


def neighbour_thief(c, rng, t0, horizon):
    """Somebody in the customer's own country and network walks ids with another tool."""
    end = t0 + s.hours(rng, 1, 6)
    net = getattr(c.base.ips, "net", None) or rng.choice(c.base.ips.networks)
    mix = s.Mix(rng, READS[:3], {404: rng.uniform(.05, .3)}, s.Counter(rng))
    p = s.Profile(s.FixedIPs(rng, net, 1), tool(c, rng, 0.0), mix, s.flat(rng.uniform(0.3, 3)), 0.05)
    add(c, p, t0, end)
    c.label("neighbour_thief", "suspend", t0, end)


def shuffled_harvest(c, rng, t0, horizon):
    """A list of known ids, shuffled: hardly a 404, never twice the same object, a plain rate."""
    end = t0 + s.hours(rng, 1, 8)
    mix = s.Mix(rng, rng.sample(READS, 2), {404: rng.uniform(0, .01)}, Shuffled())
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), rng.randint(1, 3)), tool(c, rng), mix, s.flat(rng.uniform(0.15, 1.5)), 0.05)
    add(c, p, t0, end)
    c.label("shuffled_harvest", "suspend", t0, end)


def uuid_harvest(c, rng, t0, horizon):
    """Ids are UUIDs at this customer's; the thief has a list of them, or guesses (404)."""
    c.base.mix.ids = HotUuids(rng)
    end = t0 + s.hours(rng, 1, 6)
    guess = rng.random() < 0.4
    mix = s.Mix(rng, rng.sample(READS, 2), {404: .9 if guess else rng.uniform(0, .03)}, FreshUuids())
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 3)), tool(c, rng), mix, s.flat(rng.uniform(0.2, 2)), 0.05)
    add(c, p, t0, end)
    c.label("uuid_harvest", "suspend", t0, end)


def night_thief(c, rng, t0, horizon):
    """Only while the customer sleeps, two or three nights; by day nothing of it is to be seen."""
    t0 = local(c, t0, 1)
    nights = rng.randint(2, 3)
    end = min(t0 + (nights - 1) * s.DAY + 5 * 3600, horizon)
    mix = s.Mix(rng, rng.sample(READS, 3), {404: rng.uniform(.01, .1)}, rng.choice([s.Counter(rng), Shuffled()]))
    r = rng.uniform(0.05, 0.6)
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), 1), tool(c, rng), mix, lambda t: r if (t - t0) % s.DAY < 5 * 3600 else 0.0, 0.1)
    add(c, p, t0, end)
    c.label("night_thief", "suspend", t0, end)


def mass_delete(c, rng, t0, horizon):
    """A vandal lists and deletes."""
    end = t0 + s.hours(rng, 0.5, 3)
    what = rng.choice(["/v1/items/{id}", "/v1/users/{id}", "/v1/webhooks/{id}"])
    mix = s.Mix(rng, [("DELETE", what, 60, 60, 18, 0), ("GET", "/v1/items", 3, 9000, 40, 0)], {404: rng.uniform(.01, .15), 403: rng.uniform(0, .05)},
              rng.choice([s.Counter(rng), Shuffled()]))
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), 1), tool(c, rng), mix, s.flat(rng.uniform(0.2, 2)), 0.1)
    add(c, p, t0, end)
    c.label("mass_delete", "suspend", t0, end)


def bulk_export(c, rng, t0, horizon):
    """A few dozen calls, each answered by many megabytes."""
    end = t0 + s.hours(rng, 1, 3)
    n = rng.randint(15, 45)
    rs = rng.choice([[s.BY_PATH[("GET", "/v1/export/customers")]], [s.BY_PATH[("GET", "/v1/export/customers")], s.BY_PATH[("GET", "/v1/reports/{id}")]],
                     [route("GET", "/v1/backups/{id}", 10, 4_000_000, 9000)]])
    mix = s.Mix(rng, rs, {}, s.Counter(rng), bytes_factor=rng.uniform(8, 40))
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng), 1), tool(c, rng), mix, s.flat(n / (end - t0)), 0.1)
    add(c, p, t0, end)
    c.label("bulk_export", "suspend", t0, end)


def costly_model(c, rng, t0, horizon):
    """Access resold on the dear model: about the customer's own rate of calls, ten times the tokens of each, another route."""
    end = t0 + s.hours(rng, 2, 10)
    mix = LongAnswers(rng, [route("POST", rng.choice(["/v1/responses", "/v1/chat/completions", "/v1/images/generations"]), 10, 22000, 21000, 1)], {429: .02},
                      tokens_factor=rng.uniform(8, 25))
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), rng.randint(1, 3)), tool(c, rng), mix,
                  s.flat(max(c.mean_rate() * rng.uniform(0.8, 2), rng.uniform(0.02, 0.08))), 0.3)
    add(c, p, t0, end)
    c.label("costly_model", "suspend", t0, end)


def many_thieves(c, rng, t0, horizon):
    """The key was sold several times: buyers of all countries, each with a tool and a purpose of their own."""
    end = t0 + s.hours(rng, 3, 10)
    for n, net in enumerate(rng.sample(s.nets(["vps", "vpn", "isp"], not_asn=c.own_asns()), rng.randint(3, 7))):
        a = t0 if n == 0 else t0 + rng.uniform(0, 5400)
        kind = rng.randrange(3)
        if kind == 0:
            mix = s.Mix(rng, rng.sample(READS, 2), {404: rng.uniform(.02, .2)}, s.Counter(rng))
        elif kind == 1:
            mix = s.Mix(rng, s.some_routes(rng, 3, 8), {403: .1, 404: .1, 400: .05}, Shuffled())
        else:
            mix = s.Mix(rng, [s.BY_PATH[("POST", "/v1/chat/completions")]], {429: .05}, tokens_factor=6)
        add(c, s.Profile(s.FixedIPs(rng, net, 1), [rng.choice(TOOLS)], mix, s.flat(rng.uniform(0.02, 0.3)), 0.2), a, end)
    c.label("many_thieves", "suspend", t0, end)


def public_leak(c, rng, t0, horizon):
    """Pushed to a public repository: dozens of strangers try a harmless call or two within minutes."""
    end = t0 + s.hours(rng, 1, 4)
    calls = []
    for _ in range(rng.randint(30, 90)):
        at = t0 + rng.expovariate(1 / 1200)
        ip, agent = s.ip_in(rng, rng.choice(s.nets(["isp", "vps", "vpn", "cloud"]))), rng.choice(TOOLS)
        mix = s.Mix(rng, [s.BY_PATH[("GET", "/v1/me")], route("GET", "/v1/models", 3), s.BY_PATH[("GET", "/v1/items")], s.BY_PATH[("GET", "/v1/prices")]], {404: .03, 403: .02})
        for _ in range(rng.randint(1, 4)):
            calls.append((at, ip, agent, mix))
            at += rng.uniform(1, 30)
    calls = [x for x in calls if x[0] < end]
    first = min(x[0] for x in calls)
    add(c, Calls(calls), first - 1, end)
    c.label("public_leak", "suspend", first, end)


def admin_slow_probe(c, rng, t0, horizon):
    """One look behind a door every few minutes, for most of a day."""
    end = t0 + s.hours(rng, 6, 20)
    doors = ["/v1/admin/keys", "/v1/admin/audit", "/v1/admin/users", "/v1/admin/config", "/v1/internal/health", "/v1/internal/metrics", "/v2/admin", "/.env",
             "/v1/billing/invoices", "/v1/secrets", "/v1/tokens", "/graphql", "/v1/debug/pprof", "/v1/users/{id}/impersonate", "/v1/orgs/{id}/members"]
    mix = s.Mix(rng, [route("GET", d) for d in rng.sample(doors, rng.randint(7, len(doors)))], {403: rng.uniform(.4, .65), 404: rng.uniform(.15, .3), 401: .05}, s.Counter(rng))
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 2)), tool(c, rng), mix, s.flat(1 / rng.uniform(60, 360)), 0.2)
    add(c, p, t0, end)
    c.label("admin_slow_probe", "suspend", t0, end)


def replayer(c, rng, t0, horizon):
    """Captured calls of the customer's, sent again and again from elsewhere; many are refused (signature, conflict, limit)."""
    end = t0 + s.hours(rng, 1, 5)
    tape = []
    for _ in range(rng.randint(15, 60)):
        m, path, _, size, ms, _ = c.base.mix.draw(rng)
        tape.append((m, path, size, ms))
    p = Loop(tape, s.FixedIPs(rng, s.thief(c, rng), 1), rng.choice(c.base.agents), rng.uniform(0.3, 3), rng.uniform(.1, .3))
    add(c, p, t0, end)
    c.label("replayer", "suspend", t0, end)


def stuffing_proxy(c, rng, t0, horizon):
    """Log-ins of other people are tried through the key: 401 after 401."""
    end = t0 + s.hours(rng, 0.5, 4)
    mix = s.Mix(rng, [route("POST", rng.choice(["/v1/login", "/v1/sessions", "/v1/oauth/token"]), 10, 700, 140)], {401: rng.uniform(.9, .98), 429: .02})
    ips = Rotating(s.nets(["isp", "mobile"]), 2, 10) if rng.random() < .5 else s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 4))
    p = s.Profile(ips, tool(c, rng), mix, s.flat(rng.uniform(0.3, 3)), 0.1)
    add(c, p, t0, end)
    c.label("stuffing_proxy", "suspend", t0, end)


def sleeper_wake(c, rng, t0, horizon):
    """A forgotten key: one harmless call, an hour later three, then more and more."""
    net, agent = s.thief(c, rng, ("vps", "vpn", "isp")), rng.choice(TOOLS)
    ip = s.ip_in(rng, net)
    first, rest = s.Mix(rng, [s.BY_PATH[("GET", "/v1/me")]], {}), s.Mix(rng, s.some_routes(rng, 4, 9), {404: .06, 403: .05}, Shuffled())
    end, calls, t, gap = t0 + s.hours(rng, 10, 20), [(t0, ip, agent, first)], t0, s.hours(rng, 0.6, 1.6)
    while len(calls) < 4000:
        t += gap * rng.uniform(.6, 1.4)
        if t >= end:
            break
        calls.append((t, ip, agent, rest))
        gap = max(gap * 0.85, 4)
    add(c, Calls(calls), t0 - 1, end)
    c.label("sleeper_wake", "suspend", t0, end)


def order_fraud(c, rng, t0, horizon):
    """Writes: orders and changed users, from elsewhere, steadily."""
    end = t0 + s.hours(rng, 1, 5)
    mix = s.Mix(rng, [s.BY_PATH[("POST", "/v1/orders")], s.BY_PATH[("PATCH", "/v1/users/{id}")], route("POST", "/v1/refunds", 5, 500, 70)],
              {400: rng.uniform(.02, .1), 402: rng.uniform(.05, .25), 403: .02}, Shuffled())
    p = s.Profile(s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), rng.randint(1, 2)), tool(c, rng), mix, s.flat(rng.uniform(0.05, 0.6)), 0.1)
    add(c, p, t0, end)
    c.label("order_fraud", "suspend", t0, end)


def app_key_extracted(c, rng, t0, horizon):
    """The key inside a mobile app, used by a scraper in a data centre that calls itself the app."""
    end = t0 + s.hours(rng, 1, 6)
    mix = s.Mix(rng, rng.sample(READS, 2), {404: rng.uniform(.02, .2)}, rng.choice([s.Counter(rng), Shuffled()]))
    p = s.Profile(s.FixedIPs(rng, rng.choice(s.nets(["vps", "vpn"])), rng.randint(1, 3)), [rng.choice(c.base.agents)], mix, s.flat(rng.uniform(0.5, 3)), 0.05)
    add(c, p, t0, end)
    c.label("app_key_extracted", "suspend", t0, end)


def patient_walker(c, rng, t0, horizon):
    """Two ids a minute from a home in the customer's country, day and night."""
    end = min(t0 + s.hours(rng, 18, 40), horizon)
    mix = s.Mix(rng, rng.sample(READS, 2), {404: rng.uniform(.08, .25)}, s.Counter(rng))
    p = s.Profile(s.FixedIPs(rng, home_isp(c, rng), 1), tool(c, rng, .2), mix, s.flat(1 / rng.uniform(15, 60)), 0.05)
    add(c, p, t0, end)
    c.label("patient_walker", "suspend", t0, end)


def account_sweep(group, rng, t0, horizon):
    """One intruder has all keys of an account: the same address turns up behind each within the hour."""
    home = group[0].base.ips.net
    net = rng.choice(s.nets(["vps", "vpn"], not_asn=[home["asn"]]))
    ip, agent = s.ip_in(rng, net), [rng.choice(TOOLS)]
    for c in group:
        c.base.ips = s.FixedIPs(rng, home, rng.randint(1, 3))
        a = t0 + rng.uniform(0, 2400)
        end = a + s.hours(rng, 1, 5)
        mix = s.Mix(rng, rng.sample(READS, 2) + s.some_routes(rng, 1, 2), {404: rng.uniform(.03, .2), 403: rng.uniform(.02, .1)}, rng.choice([s.Counter(rng), Shuffled()]))
        ips = s.FixedIPs(rng, net, 1)
        ips.ips = [ip]
        add(c, s.Profile(ips, agent, mix, s.flat(rng.uniform(0.05, 0.5)), 0.1), a, end)
        c.label("account_sweep", "suspend", a, end)
