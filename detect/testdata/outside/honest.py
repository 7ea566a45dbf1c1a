"""What customers do of their own accord, and the days after it. Neither a suspension nor an alarm is wanted."""
from catalog import word
from doubt import busy, daytime
from places import DAY, HOUR, OFFSET, Crowd, Fleet, Functions, Home6, Machines, Nat, OnTheMove, find, homes
from theft import act, between, maybe, night_of, uneven
from traffic import Asks, Client, Job, Ticks, daily, flat, hours


def ramp(a, b):
    return lambda t: min(1.0, max(0.0, (t - a) / (b - a)))


def rest(c):
    return c.horizon


def like(c, b, where=None, agents=None, asks=None, on=0):
    """The customer's client again, elsewhere or newer."""
    new = b.__class__.__new__(b.__class__)
    new.__dict__.update(b.__dict__)
    new.factors, new.where, new.agents, new.asks, new.on = [], where or b.where, agents or b.agents, asks or b.asks, max(on, b.on)
    return c.add(new)


def swap(c, new, old, a, b):
    """`old` fades out as `new` comes in."""
    up = ramp(a, b)
    old.factors.append(lambda t: 1 - up(t))
    new.factors.append(up)


def rolling_deploy(c, rng, t0):
    """A new version of the client: a twentieth of the machines first, next day all. Another agent, one more route."""
    b = c.main
    extra = [r.name for r in c.product.daily if r.name not in b.asks.names][:1]
    asks = Asks(rng, c.product, b.asks.names + extra, c.objects, b.asks.errors)
    new, full = like(c, b, agents=[rng.choice(c.p.tools)] if rng.random() < .6 else ["%s r%d" % (c.tool, rng.randint(200, 900))], asks=asks, on=t0), t0 + between(rng, 6, 36) * HOUR
    share = lambda t: 0 if t < t0 else .05 if t < full else 1  # noqa: E731
    new.factors.append(share)
    b.factors.append(lambda t: 1 - share(t))
    c.label("rolling_deploy", "benign", t0, rest(c))


def to_other_cloud(c, rng, t0):
    """The customer moves house: other provider, same program, within hours, and the old machines go."""
    net, over = rng.choice(find("cloud", unlike=c.asns())), t0 + between(rng, 1, 24) * HOUR
    where = Machines(rng, net, rng.randint(1, 5)) if rng.random() < .6 else Functions(rng, net, rng.randint(2, 6), 12)
    for b in [b for b in c.base if c.cloud in b.where.nets and not isinstance(b, Ticks)]:
        swap(c, like(c, b, where=where, on=t0), b, t0, over)
    c.label("to_other_cloud", "benign", t0, rest(c))


def branch_office(c, rng, t0):
    """A branch opens, in another town or country: the same tools from another line, by the hours there."""
    net = rng.choice(homes(rng.choice([c.country, "GB", "IN", "BR", "PL"]), c.asns()))
    t0 = daytime(c, t0, 9.5)
    asks = Asks(rng, c.product, c.used(), c.objects, c.main.asks.errors)
    c.add(Client(Nat(rng, net, 2), c.main.agents, asks, hours(busy(c, 150) * .3, OFFSET.get(net.country, c.tz)), calls=6, pause=12, noise=.5, people=5, on=t0))
    c.label("branch_office", "benign", t0, rest(c))


def peak_days(c, rng, t0):
    """A feast, a sale, a match: three to six times the usual for a day or two, and then as before."""
    top, end = rng.uniform(2.5, 6), t0 + between(rng, 20, 50) * HOUR
    c.reshape(lambda t: 1 + (top - 1) * min(ramp(t0, t0 + 4 * HOUR)(t), 1 - ramp(end - 6 * HOUR, end)(t)))
    c.label("peak_days", "benign", t0, end)


def product_launch(c, rng, t0):
    """A launch: within an hour three to eight times the traffic, half of that a day later, for good; many new objects."""
    top = rng.uniform(3, 8)
    c.reshape(lambda t: 1 + (top - 1) * ramp(t0, t0 + HOUR)(t) * max(.4, .5 ** ((t - t0) / DAY)))
    c.label("product_launch", "benign", t0, rest(c))


def backfill(c, rng, t0):
    """The customer's own machine, with its own program, goes over all of its own objects to fill a new column: hours of one call after another."""
    end = t0 + between(rng, 2, 9) * HOUR
    pause = 1 / max(.2, rng.uniform(4, 12) * busy(c, 150))

    def story(r, now):
        for i in range(c.objects.n):
            yield uneven(r, pause), "item", c.objects.name(i), maybe(r, .01, 404), 1
    act(c, rng, c.main.where, c.main.agents[:1], story, t0, end)
    c.label("backfill", "benign", t0, end)


def load_test(c, rng, t0):
    """In the night before a release the customer drives its own traffic from more machines at its provider, ten times and more for half an hour or two."""
    t0 = night_of(c, t0, rng.choice([21, 22, 23]))
    end = t0 + between(rng, .5, 2) * HOUR
    c.add(Client(Fleet(rng, c.cloud, rng.randint(4, 16), 3 * HOUR), c.main.agents, c.main.asks, lambda t, wd: busy(c, 300) * 12 * ramp(t0, t0 + 600)(t), noise=.05, on=t0, off=end))
    c.label("load_test", "benign", t0, end)


def partner_feed(c, rng, t0):
    """A partner is connected: its system, elsewhere, reads some of the customer's objects by business hours, a little clumsily on the first day."""
    net = rng.choice(find("cloud", unlike=c.asns()))
    t0 = daytime(c, t0, rng.choice([9, 10, 14]))
    reads = [n for n in c.used() if c.product.routes[n].method == "GET"][:3] or c.used()[:2]
    good = Asks(rng, c.product, reads, c.objects, {404: .01})
    poor = Asks(rng, c.product, reads, c.objects, {400: .08, 404: .05})
    agents, rate, day1 = [rng.choice(c.p.tools)], hours(busy(c, 150) * rng.uniform(.15, .5), c.tz, 8, 19, .1), t0 + 10 * HOUR
    where = Machines(rng, net, rng.randint(1, 2))
    c.add(Client(where, agents, poor, rate, calls=3, pause=2, on=t0, off=day1))
    c.add(Client(where, agents, good, rate, calls=3, pause=2, on=day1))
    c.label("partner_feed", "benign", t0, rest(c))


def on_the_train(c, rng, t0):
    """A developer works on trains for a day: the office's tool over telephone networks, another address every some minutes."""
    t0 = daytime(c, t0, rng.choice([7, 8]))
    end = t0 + rng.uniform(6, 11) * HOUR
    asks = Asks(rng, c.product, c.used(), c.objects, {400: .04, 404: .05, 422: .02})
    c.add(Client(OnTheMove(rng, find("mobile", country=c.country) or homes(c.country)), [rng.choice(c.p.hand)], asks, flat(between(rng, 8, 25) / HOUR), calls=5, pause=20, noise=.8, on=t0, off=end))
    c.label("on_the_train", "benign", t0, end)


def exercise(c, rng, t0):
    """The yearly exercise: for some hours all comes from the second site at another provider, and then from home again."""
    t0 = daytime(c, t0, rng.choice([9, 10, 13]))
    end, net = t0 + between(rng, 1, 5) * HOUR, rng.choice(find("cloud", unlike=c.asns()))
    where = Machines(rng, net, rng.randint(1, 4))
    for b in [b for b in c.base if not isinstance(b, Ticks)]:
        away = like(c, b, where=where, on=t0)
        away.off = end
        b.factors.append(lambda t: 0 if t0 <= t < end else 1)
    c.label("exercise", "benign", t0, end)


def notebook(c, rng, t0):
    """An analyst explores for some days in a notebook: from home or office by day, hundreds of calls in bursts, own objects, own mistakes."""
    t0 = daytime(c, t0, rng.choice([10, 13, 15]))
    asks = Asks(rng, c.product, [n for n in c.used() if c.product.routes[n].method == "GET"] or c.used(), c.objects, {400: .05, 404: .04})
    c.add(Client(Nat(rng, c.office, 1), ["python-requests/2.%d.%d" % (rng.randint(26, 33), rng.randint(0, 5))], asks, hours(max(150, c.per_day * .3) / DAY, c.tz, 10, 18), calls=40, pause=1.2, noise=.8, people=1, on=t0,
                 off=t0 + rng.uniform(2, 4) * DAY))
    c.label("notebook", "benign", t0, t0 + 4 * DAY)


def watcher_added(c, rng, t0):
    """A monitoring vendor is hired: from six places of the world one harmless call each, every few minutes."""
    where = Machines(rng, c.cloud, ips=[n.ip(rng) for n in rng.sample(find("cloud", "vps"), 6)])
    name = next((n for n in c.used() if c.product.routes[n].method == "GET"), "me")
    c.add(Ticks(where, ["%s-probe/%d.%d" % (word(rng, 2), rng.randint(1, 4), rng.randint(0, 9))], Asks(rng, c.product, [name], c.objects, {}), rng.choice([300, 600, 900]), people=6, on=t0))
    c.label("watcher_added", "benign", t0, rest(c))


def new_gateway(c, rng, t0):
    """Behind a new gateway of the same provider all addresses change at once."""
    where = Nat(rng, c.cloud, rng.randint(2, 4))
    for b in [b for b in c.base if c.cloud in b.where.nets and not isinstance(b, Ticks)]:
        swap(c, like(c, b, where=where, on=t0), b, t0, t0 + 120)
    c.label("new_gateway", "benign", t0, rest(c))


def six_arrives(c, rng, t0):
    """The office or the machines get IPv6: three calls in four come by it, with interface ids that change."""
    b = c.main
    net = next((n for n in b.where.nets if n.v6), None) or rng.choice(find("cloud", country=c.country, six=True) or find("cloud", six=True))
    swap(c, like(c, b, where=Home6(rng, net, b.where, rng.choice([7, 24, 90])), on=t0), b, t0, t0 + between(rng, .1, 20) * HOUR)
    c.label("six_arrives", "benign", t0, rest(c))


def vpn_for_all(c, rng, t0):
    """From a working day on all desks go through a VPN: the same people and programs by two exits."""
    t0 = daytime(c, t0, rng.choice([8, 9]))
    where = Nat(rng, rng.choice(find("vpn", "cdn")), 2)
    for b in [b for b in c.base if c.office in b.where.nets and not isinstance(b, (Job, Ticks))]:
        swap(c, like(c, b, where=where, on=t0), b, t0, t0 + between(rng, .5, 9) * HOUR)
    c.label("vpn_for_all", "benign", t0, rest(c))


def acquired(c, rng, t0):
    """A house that was bought moves onto the customer's key over two days: its servers elsewhere, its program, its objects among the customer's."""
    net, tz = rng.choice(find("cloud", unlike=c.asns())), rng.choice([-5, 0, 1, 8])
    t0 = daytime(c, t0, rng.choice([9, 11]))
    asks = Asks(rng, c.product, c.main.asks.names, c.objects, {400: .01, 404: .02})
    b = c.add(Client(Machines(rng, net, rng.randint(1, 3)), [rng.choice(c.p.tools)], asks, daily(busy(c, 150) * rng.uniform(.3, 1), tz, .6), on=t0))
    b.factors.append(lambda t: .1 + .9 * ramp(t0, t0 + 2 * DAY)(t))
    c.label("acquired", "benign", t0, rest(c))


def season_opens(c, rng, t0):
    """A seasonal shop: hardly anything until the season opens, then all of it from the usual machines, in a day."""
    c.reshape(lambda t: .05 + .95 * ramp(t0, t0 + DAY)(t))
    c.label("season_opens", "benign", t0, rest(c))


def contractors(c, rng, t0):
    """Two or three contractors begin, at homes in another country, by office hours there, with tools of their own and many a mistake."""
    country = rng.choice([x for x in ("IN", "PL", "BR", "PH", "UA", "RO", "MX") if x != c.country])
    t0 = daytime(c, t0, 8)
    for _ in range(rng.randint(2, 3)):
        asks = Asks(rng, c.product, c.used(), c.objects, {400: .05, 404: .05, 422: .03})
        c.add(Client(Machines(rng, rng.choice(homes(country, c.asns()))), [rng.choice(c.p.hand + c.p.tools)], asks, hours(between(rng, 40, 150) / DAY, OFFSET.get(country, 2)), calls=6, pause=20, noise=.8, on=t0))
    c.label("contractors", "benign", t0, rest(c))


def month_close(c, rng, t0):
    """The books are closed: lists and single objects in number for hours, by the usual people from the usual place. It was so a week before."""
    t0 = daytime(c, t0, 9)
    asks = Asks(rng, c.product, [n for n in ("list", "item") if n in c.product.routes], c.objects, {404: .01})
    for a in (t0 - 7 * DAY, t0):
        c.add(Client(c.main.where, c.main.agents[:1], asks, flat(4 * busy(c, 200)), calls=20, pause=3, noise=.3, on=a, off=a + 5 * HOUR))
    c.label("month_close", "benign", t0, t0 + 5 * HOUR)


def wider_fleet(c, rng, t0):
    """For a day the fleet grows from a few machines to dozens and back, as the load does."""
    end = t0 + between(rng, 10, 26) * HOUR
    b = c.main
    new = like(c, b, where=Fleet(rng, c.cloud, lambda t: 4 + 40 * ramp(t0, t0 + 5 * HOUR)(t), 3 * HOUR), on=t0)
    new.off = end
    more = rng.uniform(1, 3)
    new.factors.append(lambda t: more * ramp(t0, t0 + 3 * HOUR)(t))
    c.label("wider_fleet", "benign", t0, end)


def route_gone(c, rng, t0):
    """A bad release: a third of the customer's own calls are malformed or ask for what is gone, till it is mended hours later."""
    end = t0 + between(rng, 1, 8) * HOUR
    b = c.main
    bad = like(c, b, asks=Asks(rng, c.product, b.asks.names, c.objects, {400: .2, 404: .1, 410: .05}, weights=b.asks.weights), on=t0)
    bad.off = end
    b.factors.append(lambda t: 0 if t0 <= t < end else 1)
    c.label("route_gone", "benign", t0, end)


def longer_answers(c, rng, t0):
    """The customer goes over to longer prompts and answers on one day: twice or three times the tokens a call, from the usual machines."""
    b = c.main
    asks = Asks(rng, c.product, b.asks.names, c.objects, b.asks.errors, tokens=rng.uniform(1.8, 3), weights=b.asks.weights)
    swap(c, like(c, b, asks=asks, on=t0), b, t0, t0 + HOUR)
    c.label("longer_answers", "benign", t0, rest(c))


def free_days(c, rng, t0):
    """Public holidays: next to nothing for two to four days, more than usual on the morning after."""
    start = night_of(c, t0, 0)
    back = start + rng.randint(2, 4) * DAY
    c.reshape(lambda t: .08 if start <= t < back else 1.8 if back + 8 * HOUR <= t < back + 13 * HOUR else 1)
    c.label("free_days", "benign", start, back + 13 * HOUR)


def app_update(c, rng, t0):
    """A new version of the app: telephones go over in some days; one more route."""
    b = c.main
    extra = [r.name for r in c.product.daily if r.name not in b.asks.names][:1]
    new = like(c, b, agents=c.agent(c.build[0], c.build[1] + 1), asks=Asks(rng, c.product, b.asks.names + extra, c.objects, b.asks.errors), on=t0)
    swap(c, new, b, t0, t0 + between(rng, 1, 4) * DAY)
    c.label("app_update", "benign", t0, rest(c))


def new_country(c, rng, t0):
    """The app opens in another country: more and more telephones and homes there, the same app."""
    there = rng.choice([x for x in ("FR", "DE", "BR", "JP", "GB", "IN", "ES") if x != c.country])
    n = Client(Crowd(rng, homes(there), 300, 1.2), c.main.agents, c.main.asks, daily(busy(c, 300), OFFSET[there], .8, 1.1, 19), calls=4, pause=10, people=300, on=t0)
    n.factors.append(lambda t: .05 + .7 * ramp(t0, t0 + 3 * DAY)(t))
    c.add(n)
    c.label("new_country", "benign", t0, rest(c))
