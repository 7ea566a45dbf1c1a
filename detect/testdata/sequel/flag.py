"""Doubts: an expert would ask the customer, and the key may well stay on."""
from parts import DAY, SEND_MESSAGE, abroad, ask, between, homes, join, local_time, s


def sms_pumping(c, rng, t0, horizon):
    """The customer's own sign-up page is made to send text messages to paid numbers, for hours, by its usual machines.
    It has sent some such messages all along."""
    c.base.mix.routes.append(SEND_MESSAGE)
    c.base.mix.weights.append(sum(c.base.mix.weights) * rng.uniform(0.02, 0.15))
    end = t0 + s.hours(rng, 3, 12)
    mix = s.Mix(rng, [SEND_MESSAGE], {422: rng.uniform(0, .1), 429: rng.uniform(0, .05)})
    join(c, rng, c.base.ips, c.base.agents, mix, s.flat(max(c.mean_rate() * rng.uniform(10, 40), 0.15)), t0, end, 0.1)
    c.label("sms_pumping", "flag", t0, end)


def home_copy(c, rng, t0, horizon):
    """Somebody who leaves the company copies reports and exports at home, some evenings in a row."""
    first, evenings = int(t0 // DAY) + 1, rng.randint(1, 3)
    start, end = local_time(c, first, 19), local_time(c, first + evenings - 1, 23)
    mix = s.Mix(rng, [ask("GET", "/v1/export/customers", 4), ask("GET", "/v1/reports/{id}", 6), ask("GET", "/v1/users/{id}/orders", 6)],
                s.habits(rng))
    join(c, rng, s.FixedIPs(rng, rng.choice(homes(c)), 1), [rng.choice(c.base.agents)], mix,
         between(rng.uniform(0.015, 0.08), 19, 23, c.tz), start, end, 0.3)
    c.label("home_copy", "flag", start, end)


def poison_message(c, rng, t0, horizon):
    """A queue hands out one message that is refused, again and again and without a pause."""
    end = t0 + s.hours(rng, 1, 6)
    posts = [r for r in c.base.mix.routes if r[0] in ("POST", "PATCH")] or [ask("POST", "/v1/events")]
    mix = s.Mix(rng, [rng.choice(posts)], {rng.choice([400, 422]): rng.uniform(.97, 1)})
    mix.ids.hot = mix.ids.hot[:1] * 400
    ips = s.FixedIPs(rng, c.base.ips.net, 1)
    ips.ips = c.base.ips.ips[:1]
    join(c, rng, ips, c.base.agents[:1], mix, s.flat(max(c.mean_rate() * rng.uniform(15, 80), 0.3)), t0, end, 0.05)
    c.label("poison_message", "flag", t0, end)


def white_label(c, rng, t0, horizon):
    """The customer hands its key on to companies that it serves: one more of their servers every half day."""
    t = t0
    for net in rng.sample(s.nets(["cloud", "vps"], not_asn=c.own_asns()), rng.randint(5, 8)):
        if t >= horizon:
            break
        join(c, rng, s.FixedIPs(rng, net, rng.randint(1, 2)), [rng.choice(s.AGENTS[:12])], s.Mix(rng, c.base.mix.routes, s.habits(rng)),
             s.diurnal(max(c.mean_rate() * rng.uniform(0.2, 0.8), 60 / DAY), rng.choice([-8, -5, 0, 1, 5.5, 9]), 0.4, 0.9), t, horizon)
        t += s.hours(rng, 6, 20)
    c.label("white_label", "flag", t0, horizon)


def quiet_borrower(c, rng, t0, horizon):
    """A former contractor abroad goes on using the key: a few hours a day, the customer's routes, no more than the customer."""
    end = t0 + rng.uniform(0.8, 2.3) * DAY
    low = ((t0 % DAY) / 3600) // 1  # the first sitting begins with the episode
    mix = s.Mix(rng, c.base.mix.routes, {k: v * 2 for k, v in s.habits(rng).items()})
    per_sitting = max(c.per_day * rng.uniform(0.2, 0.8), rng.uniform(40, 150))
    long = rng.uniform(3, 8)
    sitting = lambda t: per_sitting / (long * 3600) if (t / 3600 - low) % 24 < long else 0.0  # noqa: E731
    join(c, rng, s.FixedIPs(rng, rng.choice(abroad(c, ("isp", "vpn"))), rng.randint(1, 2)), s.thief_agents(c, rng), mix, sitting, t0, end, 0.4)
    c.label("quiet_borrower", "flag", t0, end)


def agent_loop(c, rng, t0, horizon):
    """The customer's own agent program talks to itself: more calls, and ever longer ones, from the usual machines."""
    end = t0 + s.hours(rng, 2, 10)
    talk = [r for r in c.base.mix.routes if r[5]]
    talk = [r for r in talk if "chat" in r[1]] or talk
    mix = s.Mix(rng, talk[:1], {429: rng.uniform(0, .2)}, tokens_factor=rng.uniform(5, 20))
    join(c, rng, c.base.ips, c.base.agents, mix, s.flat(max(c.mean_rate() * rng.uniform(3, 12), 0.05)), t0, end)
    c.label("agent_loop", "flag", t0, end)


def due_diligence(c, rng, t0, horizon):
    """The buyer of the company draws reports and exports from a cloud of its own. Agreed upon, or not?"""
    t0 = local_time(c, int(t0 // DAY), rng.uniform(8, 14))
    end = t0 + s.hours(rng, 2, 8)
    mix = s.Mix(rng, [ask("GET", "/v1/export/customers", 3), ask("GET", "/v1/reports/{id}", 6), ask("GET", "/v1/items", 4),
                      ask("GET", "/v1/users/{id}/orders", 4)], s.habits(rng))
    join(c, rng, s.FixedIPs(rng, rng.choice(s.nets("cloud", not_asn=c.own_asns())), rng.randint(1, 2)), [rng.choice(s.AGENTS[:12])], mix,
         s.flat(rng.uniform(0.015, 0.12)), t0, end)
    c.label("due_diligence", "flag", t0, end)


EPISODES = {
    "sms_pumping": (sms_pumping, ("server", "fleet", "llm")), "home_copy": (home_copy, ("desk", "server")),
    "poison_message": (poison_message, ("server", "cron", "fleet", "llm")), "white_label": (white_label, ("server", "llm", "desk")),
    "quiet_borrower": (quiet_borrower, ("server", "fleet", "cron", "llm")), "agent_loop": (agent_loop, ("llm",)),
    "due_diligence": (due_diligence, ("server", "fleet", "desk", "llm")),
}
