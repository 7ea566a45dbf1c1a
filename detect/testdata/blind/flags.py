"""What deserves an alert and no more: an honest reader of the log would ask the customer first."""
from parts import TOOLS, add, bump, home_isp, local, s, tool


def team_sharing(c, rng, t0, horizon):
    """Colleagues pass one person's key around: more and more homes of the same country, office hours, the same routes."""
    pool = s.nets("isp", country=c.home) or s.nets("isp", country="SE")
    t = t0
    for _ in range(rng.randint(5, 9)):
        p = s.Profile(s.FixedIPs(rng, rng.choice(pool), 1), [rng.choice(TOOLS)], s.Mix(rng, c.base.mix.routes, {k: v * 3 for k, v in s.habits(rng).items()}),
                      s.office(max(c.mean_rate() * rng.uniform(.2, .6), 40 / s.DAY), c.tz), 0.5)
        add(c, p, t, horizon)
        t += s.hours(rng, 6, 24)
        if t > horizon:
            break
    c.label("team_sharing", "flag", t0, horizon)


def class_room(c, rng, t0, horizon):
    """A key handed to a course: twenty laptops behind one campus network, beginners' errors, an afternoon or two."""
    t0 = local(c, t0, 13)
    end = min(t0 + 5 * 3600, horizon)
    net = home_isp(c, rng)
    for _ in range(rng.randint(12, 25)):
        a = t0 + rng.uniform(0, 2400)
        p = s.Profile(s.FixedIPs(rng, net, 1), [rng.choice(TOOLS)], s.Mix(rng, c.base.mix.routes + s.some_routes(rng, 1, 2), {400: rng.uniform(.05, .25), 404: .08}),
                      s.flat(rng.uniform(5, 25) / 3600), 0.5)
        add(c, p, a, end)
    c.label("class_room", "flag", t0, end)


def quota_hog(c, rng, t0, horizon):
    """The customer hammers against its limit for a day: a third of the answers is 429."""
    end = min(t0 + s.hours(rng, 12, 36), horizon)
    p = s.Profile(c.base.ips, c.base.agents, s.Mix(rng, c.base.mix.routes, {429: rng.uniform(.25, .6)}, c.base.mix.ids), s.flat(max(c.mean_rate() * rng.uniform(8, 20), .03)), 0.1)
    add(c, p, t0, end)
    c.label("quota_hog", "flag", t0, end)


def retry_after_deploy(c, rng, t0, horizon):
    """A deploy breaks one call, the client tries it again without pause: same machines, new version, 4xx and 5xx in mass."""
    end = t0 + s.hours(rng, 0.5, 3)
    r = rng.choice(c.base.mix.routes)
    p = s.Profile(c.base.ips, bump(c.base.agents), s.Mix(rng, [r], {rng.choice([400, 422, 500]): rng.uniform(.85, .98)}, c.base.mix.ids),
                  s.flat(max(c.mean_rate() * rng.uniform(25, 90), .4)), 0.05)
    add(c, p, t0, end)
    c.label("retry_after_deploy", "flag", t0, end)


def quiet_leak(c, rng, t0, horizon):
    """A stranger at home abroad uses the key a little, some hours a day, on the customer's routes (traffic alone: an alert, no more)."""
    end = min(t0 + 2.5 * s.DAY, horizon)
    net = rng.choice(s.nets("isp", not_country=[c.home]))
    start = rng.randrange(0, 24)
    r = max(c.mean_rate() * rng.uniform(.5, 1.5), 60 / s.DAY)
    p = s.Profile(s.FixedIPs(rng, net, 1), tool(c, rng, .3), s.Mix(rng, c.base.mix.routes, s.habits(rng)), lambda t: r * 2 if (t / 3600 - start) % 24 < 8 else 0.0, 0.3)
    add(c, p, t0, end)
    c.label("quiet_leak", "flag", t0, end)


def denied_loop(c, rng, t0, horizon):
    """A right was taken from the key; a forgotten job of the customer's own keeps asking: 403 for ever, usual machine."""
    end = t0 + s.hours(rng, 4, 16)
    p = s.Profile(c.base.ips, c.base.agents, s.Mix(rng, [rng.choice(c.base.mix.routes)], {403: .99}, c.base.mix.ids), s.flat(max(c.mean_rate() * rng.uniform(5, 20), .1)), 0.05)
    add(c, p, t0, end)
    c.label("denied_loop", "flag", t0, end)


def weekend_insider(c, rng, t0, horizon):
    """Saturday, from an employee's home in the country: reports and exports, one after the other."""
    day = int(t0 // s.DAY)
    t0 = (day + (5 - day) % 7) * s.DAY + (11 - c.tz) * 3600
    if t0 + 5 * 3600 > horizon:
        t0 -= 7 * s.DAY
    end = t0 + s.hours(rng, 2, 5)
    ips = s.FixedIPs(rng, home_isp(c, rng), 1)
    mix = s.Mix(rng, [s.BY_PATH[("GET", "/v1/export/customers")], s.BY_PATH[("GET", "/v1/reports/{id}")]], {}, c.base.mix.ids, bytes_factor=2)
    p = s.Profile(ips, c.base.agents, mix, s.flat(rng.uniform(.004, .02)), 0.1)
    add(c, p, t0, end)
    c.label("weekend_insider", "flag", t0, end)
