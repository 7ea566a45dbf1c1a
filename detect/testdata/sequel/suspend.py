"""Thefts and harm: the calls themselves show that somebody else has the key or does damage."""
from parts import ADD_WEBHOOK, DAY, DELETE_USER, SLOT, Guesses, Rotating, abroad, ask, instead, join, like_base, local_time, rising, s, saturday

ANY = s.ANY


def ci_log_rush(c, rng, t0, horizon):
    """The key stood in a public build log: several finders look what it opens, each for an hour or two."""
    end = t0
    for n in range(rng.randint(3, 8)):
        a = t0 if n == 0 else t0 + s.hours(rng, 0, 1.5)
        b = a + s.hours(rng, 0.2, 2)
        mix = s.Mix(rng, [ask("GET", "/v1/me", 8), ask("GET", "/v1/webhooks", 3), ask("GET", "/v1/admin/keys", 4),
                          ask("GET", "/v1/export/customers", 2), ask("GET", "/v1/items", 3), ask("GET", "/v1/users/{id}", 5)],
                    {403: rng.uniform(.1, .4), 404: rng.uniform(.02, .2)}, s.Counter(rng))
        join(c, rng, s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), 1), [rng.choice(s.AGENTS[:12])], mix,
             s.flat(rng.uniform(0.02, 0.3)), a, b)
        end = max(end, b)
    c.label("ci_log_rush", "suspend", t0, end)


def resold_model(c, rng, t0, horizon):
    """The key stands behind a shop for cheap model access: ordinary prompts, more buyers every hour."""
    end = t0 + s.hours(rng, 3, 18)
    mix = s.Mix(rng, [ask("POST", "/v1/chat/completions")], {429: rng.uniform(.01, .15), 400: rng.uniform(.02, .08)},
                tokens_factor=rng.uniform(0.8, 2.5))
    full = rising(t0, s.hours(rng, 0.5, 3))
    join(c, rng, s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 3)), s.thief_agents(c, rng), mix,
         s.flat(max(rng.uniform(0.3, 2.5), c.mean_rate() * 8)), t0, end, factor=lambda t: 0.2 + 0.8 * full(t))
    c.label("resold_model", "suspend", t0, end)


def lifted_app_key(c, rng, t0, horizon):
    """The key was read out of the app; a server now asks for people's records and for what the app never shows."""
    end = t0 + s.hours(rng, 1, 8)
    mix = s.Mix(rng, [ask("GET", "/v1/users/{id}", 10), ask("GET", "/v1/users/{id}/orders", 6), ask("GET", "/v1/export/customers", 1),
                      ask("GET", "/v1/admin/audit", 1)], {404: rng.uniform(.05, .3), 403: rng.uniform(.02, .25)}, s.Counter(rng))
    agents = [rng.choice(c.base.agents)] if rng.random() < 0.6 else [rng.choice(s.AGENTS[:12])]
    join(c, rng, s.FixedIPs(rng, rng.choice(s.nets(["vps", "cloud"], not_asn=c.own_asns())), rng.randint(1, 3)), agents, mix,
         s.flat(rng.uniform(0.3, 3)), t0, end, 0.1)
    c.label("lifted_app_key", "suspend", t0, end)


def card_testing(c, rng, t0, horizon):
    """Stolen cards are tried out with small orders; nearly all are declined."""
    end = t0 + s.hours(rng, 1, 6)
    mix = s.Mix(rng, [ask("POST", "/v1/orders")], {402: rng.uniform(.6, .93), 400: rng.uniform(.01, .05), 429: rng.uniform(0, .02)})
    if rng.random() < 0.5:
        ips = s.ThrowAway(rng.sample(s.nets("isp"), rng.randint(3, 12)), rng.randint(1, 4))
    else:
        ips = s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 3))
    join(c, rng, ips, s.thief_agents(c, rng), mix, s.flat(rng.uniform(0.08, 1.2)), t0, end)
    c.label("card_testing", "suspend", t0, end)


def locked_out(c, rng, t0, horizon):
    """Support was talked into handing over the account: the intruder manages keys and hooks, soon nobody else is let in."""
    end = t0 + s.hours(rng, 4, 16)
    mix = s.Mix(rng, [ask("GET", "/v1/admin/keys", 4), ask("GET", "/v1/admin/audit", 2), ask("GET", "/v1/webhooks", 3), ADD_WEBHOOK,
                      ask("GET", "/v1/export/customers", 1), ask("PATCH", "/v1/users/{id}", 3), ask("GET", "/v1/users/{id}", 8)],
                {404: rng.uniform(.01, .1), 403: rng.uniform(0, .05)}, s.Counter(rng))
    join(c, rng, s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), rng.randint(1, 2)), s.thief_agents(c, rng), mix,
         s.flat(rng.uniform(0.02, 0.3)), t0, end)
    refused = s.Mix(rng, c.base.mix.routes, {403: rng.uniform(.85, 1)})
    instead(c, like_base(c, mix=refused), t0 + s.hours(rng, 0.2, 1.5), end)
    c.label("locked_out", "suspend", t0, end)


def ransom_wipe(c, rng, t0, horizon):
    """Everything is copied, then deleted, to be sold back."""
    copied = t0 + s.hours(rng, 0.2, 1)
    end = copied + s.hours(rng, 0.3, 2)
    ips, agents = s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 2)), s.thief_agents(c, rng)
    copy = s.Mix(rng, [ask("GET", "/v1/export/customers", 1), ask("GET", "/v1/items", 3), ask("GET", "/v1/items/{id}", 10)],
                 {404: rng.uniform(.02, .15)}, s.Counter(rng))
    wipe = s.Mix(rng, [ask("DELETE", "/v1/items/{id}", 10), DELETE_USER, ask("PATCH", "/v1/users/{id}", 3)],
                 {404: rng.uniform(.02, .15), 403: rng.uniform(0, .1)}, s.Counter(rng))
    join(c, rng, ips, agents, copy, s.flat(rng.uniform(0.1, 2)), t0, copied)
    join(c, rng, ips, agents, wipe, s.flat(rng.uniform(0.3, 3)), copied, end)
    c.label("ransom_wipe", "suspend", t0, end)


def function_swarm(c, rng, t0, horizon):
    """A scraper lives in cloud functions: every start has another address, several clouds at once."""
    end = t0 + s.hours(rng, 1, 6)
    mix = s.Mix(rng, [ask("GET", "/v1/items/{id}"), ask("GET", "/v1/search"), ask("GET", "/v1/prices"), ask("GET", "/v1/users/{id}")],
                {429: rng.uniform(.01, .15), 404: rng.uniform(.02, .15)}, s.Counter(rng))
    clouds = rng.sample(s.nets("cloud"), rng.randint(3, 5))
    join(c, rng, s.ThrowAway(clouds, rng.randint(5, 40)), s.thief_agents(c, rng), mix, s.flat(rng.uniform(0.5, 5)), t0, end, 0.1)
    c.label("function_swarm", "suspend", t0, end)


def price_watch(c, rng, t0, horizon):
    """A competitor reads the catalogue every hour or two through households of a few countries."""
    t0 -= t0 % SLOT
    period, width = rng.choice([3600, 7200]), rng.choice([SLOT, 2 * SLOT])
    end = t0 + rng.uniform(0.7, 2.5) * DAY
    mix = s.Mix(rng, [ask("GET", "/v1/prices"), ask("GET", "/v1/items"), ask("GET", "/v1/items/{id}"), ask("GET", "/v1/search")],
                {404: rng.uniform(.01, .1), 429: rng.uniform(0, .08)}, s.Counter(rng))
    busy = rng.uniform(0.4, 2)
    join(c, rng, s.ThrowAway(rng.sample(s.nets("isp"), rng.randint(2, 6)), rng.randint(2, 8)), s.AGENTS[:12], mix,
         s.cron(busy * width / period, period, width, t0 % period), t0, end, 0.1)
    c.label("price_watch", "suspend", t0, end)


def data_broker(c, rng, t0, horizon):
    """People's records, slowly and for days, the address changed every few hundred calls."""
    end = t0 + rng.uniform(0.8, 2.4) * DAY
    mix = s.Mix(rng, [ask("GET", "/v1/users/{id}"), ask("GET", "/v1/users/{id}/orders"), ask("GET", "/v1/orders/{id}")],
                {404: rng.uniform(.03, .2)}, s.Counter(rng))
    places = rng.sample(s.nets(["vps", "vpn"], not_asn=c.own_asns()), rng.randint(2, 4))
    join(c, rng, Rotating(places, 50, 300), s.thief_agents(c, rng), mix, s.flat(rng.uniform(0.04, 0.3)), t0, end, 0.1)
    c.label("data_broker", "suspend", t0, end)


def infostealer(c, rng, t0, horizon):
    """A developer's laptop was emptied by malware; a buyer abroad looks about by hand, and is often refused."""
    end = t0 + s.hours(rng, 1, 8)
    mix = s.Mix(rng, [ask("GET", "/v1/me", 5), ask("GET", "/v1/admin/keys", 4), ask("GET", "/v1/webhooks", 3), ask("GET", "/v1/items", 3),
                      ask("GET", "/v1/users/{id}", 6), ask("GET", "/v1/export/customers", 2), ask("GET", "/v1/admin/audit", 2)],
                {403: rng.uniform(.15, .4), 404: rng.uniform(.05, .2)}, s.Counter(rng))
    join(c, rng, s.FixedIPs(rng, rng.choice(abroad(c, ("isp", "vpn"))), 1), s.thief_agents(c, rng), mix,
         s.flat(rng.uniform(0.015, 0.12)), t0, end, 0.5)
    c.label("infostealer", "suspend", t0, end)


def corpus_embed(c, rng, t0, horizon):
    """Someone has a library of texts embedded at the customer's expense."""
    end = t0 + s.hours(rng, 2, 9)
    mix = s.Mix(rng, [ask("POST", "/v1/embeddings")], {429: rng.uniform(.02, .2)}, tokens_factor=rng.uniform(2, 10))
    join(c, rng, s.FixedIPs(rng, s.thief(c, rng, ("vps", "cloud")), rng.randint(1, 3)), s.thief_agents(c, rng), mix,
         s.flat(rng.uniform(0.3, 3)), t0, end, 0.1)
    c.label("corpus_embed", "suspend", t0, end)


def id_guessing(c, rng, t0, horizon):
    """Order and report numbers are tried at random; few exist."""
    end = t0 + s.hours(rng, 0.5, 4)
    mix = s.Mix(rng, [ask("GET", "/v1/orders/{id}"), ask("GET", "/v1/reports/{id}", 8)],
                {404: rng.uniform(.7, .9), 429: rng.uniform(0, .05), 403: rng.uniform(0, .04)}, Guesses())
    if rng.random() < 0.35:
        ips = s.ThrowAway(rng.sample(s.nets(["vps", "vpn", "isp"]), 8), rng.randint(2, 10))
    else:
        ips = s.FixedIPs(rng, s.thief(c, rng), rng.randint(1, 3))
    join(c, rng, ips, s.thief_agents(c, rng), mix, s.flat(rng.uniform(0.15, 3)), t0, end, 0.1)
    c.label("id_guessing", "suspend", t0, end)


def weekend_raid(c, rng, t0, horizon):
    """In the night to Sunday, when nobody looks, exports and people's orders leave through a rented machine."""
    t0 = local_time(c, saturday(t0), rng.uniform(22, 26))
    end = t0 + s.hours(rng, 3, 9)
    mix = s.Mix(rng, [ask("GET", "/v1/export/customers", 2), ask("GET", "/v1/reports/{id}", 4), ask("GET", "/v1/users/{id}/orders", 12)],
                s.habits(rng), s.Counter(rng), bytes_factor=rng.uniform(1, 2.5))
    join(c, rng, s.FixedIPs(rng, s.thief(c, rng), 1), s.thief_agents(c, rng), mix, s.flat(rng.uniform(0.06, 0.6)), t0, end, 0.1)
    c.label("weekend_raid", "suspend", t0, end)


def forgotten_key_sold(c, rng, t0, horizon):
    """A key that its owner forgot was sold more than once: each buyer does something else with it."""
    end = t0
    for n in range(rng.randint(2, 5)):
        a = t0 if n == 0 else t0 + s.hours(rng, 0, 8)
        b = a + s.hours(rng, 1, 8)
        aim = rng.choice([
            s.Mix(rng, [ask("POST", "/v1/chat/completions")], {429: .03}, tokens_factor=rng.uniform(2, 15)),
            s.Mix(rng, [ask("GET", "/v1/items/{id}"), ask("GET", "/v1/search")], {404: rng.uniform(.03, .2)}, s.Counter(rng)),
            s.Mix(rng, s.some_routes(rng, 4, 8), {404: .1, 403: .1}, s.Counter(rng))])
        join(c, rng, s.FixedIPs(rng, s.thief(c, rng, ("vps", "vpn", "isp")), 1), [rng.choice(s.AGENTS[:12])], aim,
             s.flat(rng.uniform(0.03, 0.8)), a, b)
        end = max(end, b)
    c.label("forgotten_key_sold", "suspend", t0, end)


EPISODES = {
    "ci_log_rush": (ci_log_rush, ANY), "resold_model": (resold_model, ("llm", "server", "desk", "fleet")),
    "lifted_app_key": (lifted_app_key, ("mobile",)), "card_testing": (card_testing, ("server", "fleet", "cron", "desk")),
    "locked_out": (locked_out, ("server", "cron", "llm", "desk")), "ransom_wipe": (ransom_wipe, ANY),
    "function_swarm": (function_swarm, ("server", "cron", "desk", "llm", "mobile")),
    "price_watch": (price_watch, ("server", "cron", "llm", "desk", "fleet")),
    "data_broker": (data_broker, ("server", "fleet", "mobile", "cron")), "infostealer": (infostealer, ("desk", "server", "llm")),
    "corpus_embed": (corpus_embed, ("llm", "server", "desk", "cron")), "id_guessing": (id_guessing, ANY),
    "weekend_raid": (weekend_raid, ("desk", "server", "cron", "fleet")), "forgotten_key_sold": (forgotten_key_sold, ("dormant",)),
}
