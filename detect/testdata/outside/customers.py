"""Customers: what kind of house each is, which clients it has, and from where they call."""
import math

from catalog import word
from places import DAY, HOUR, OFFSET, Crowd, Fleet, Functions, Machines, Nat, find, homes
from traffic import Asks, Client, Job, Objects, Ticks, daily, hours

SHAPES = {  # which houses buy a product
    "maps": ["app", "backend", "functions"], "pay": ["backend", "backend", "functions"], "sms": ["backend", "functions"], "llm": ["backend", "functions", "desk"], "mail": ["batch", "backend"],
    "weather": ["devices", "app", "batch", "backend"], "kyc": ["backend", "desk", "backend"], "ads": ["batch", "desk", "backend"], "iot": ["devices", "backend"], "shop": ["backend", "app", "batch"],
    "track": ["backend", "app", "desk"], "market": ["poller", "backend", "desk"], "conv": ["functions", "backend"], "crm": ["desk", "backend", "batch"]}
WHERE = ["US"] * 6 + ["DE", "DE", "GB", "GB", "FR", "NL", "ES", "IT", "SE", "PL", "BR", "BR", "MX", "IN", "IN", "JP", "JP", "KR", "AU", "SG", "CA", "ZA", "TR", "AE", "CH", "ID"]


def habits(rng, more=1.0):
    return {400: rng.uniform(.001, .012) * more, 404: rng.uniform(.001, .02) * more, 422: rng.uniform(0, .006) * more, 429: rng.uniform(0, .003), 500: rng.uniform(0, .002), 401: rng.uniform(0, .0006) * more}


class Customer:
    def __init__(self, rng, platform, i, product, shape, horizon):
        self.rng, self.p, self.product, self.shape, self.horizon = rng, platform, product, shape, horizon
        self.country = rng.choice(WHERE)
        self.tz = OFFSET[self.country] + (rng.choice([0, 0, 1, -2]) if self.country == "US" else 0)
        self.plan = rng.choices(["free", "starter", "growth", "enterprise"], [2, 4, 4, 2])[0]
        self.per_day = min(7000, max(90, rng.lognormvariate(6.55, .85)))
        self.objects = Objects(rng, product, int(math.exp(rng.uniform(math.log(250), math.log(12000)))))
        self.labels, self.clients, self.created, self.key_id = [], [], -rng.uniform(20, 900) * DAY, None
        self.cloud = rng.choice(find("cloud", country=self.country) * 2 + find("cloud") if rng.random() < .7 else find("cloud", "vps"))
        self.office = rng.choice(find("isp", country=self.country) or find("isp"))
        self.tool = rng.choice(platform.tools)
        if rng.random() < .35:
            self.tool = "%s/%d.%d (%s)" % (word(rng, 2), rng.randint(1, 9), rng.randint(0, 30), self.tool)
        getattr(self, shape)(rng, self.per_day / DAY)
        self.base = list(self.clients)
        self.main = self.clients[0]

    # ----- parts
    def asks(self, rng, least=2, most=6, names=None, errors=None, **k):
        pool = [r.name for r in self.product.daily if r.name not in ("del", "refund") or rng.random() < .5]
        names = names or sorted(rng.sample(pool, min(len(pool), rng.randint(least, most))))
        return Asks(rng, self.product, names, self.objects, errors or habits(rng), **k)

    def add(self, client):
        self.clients.append(client)
        return client

    def reshape(self, f, clients=None):
        for c in clients or self.base:
            c.factors.append(f)

    def label(self, family, expect, start, end):
        self.labels.append((family, expect, start, min(end, self.horizon)))

    def asns(self):
        return {n.asn for c in self.clients for n in c.where.nets}

    def used(self):
        """The names of the routes that the customer's own clients call."""
        return sorted({n for c in self.base for n in c.asks.names})

    def desk(self, rng, mean):
        """People at desks behind the office's line, with their tools."""
        agents = rng.sample(self.p.hand, rng.randint(1, 2)) + ([rng.choice(self.p.browsers)] if rng.random() < .4 else []) + [self.tool]
        self.add(Client(Nat(rng, self.office, rng.randint(1, 3)), agents, self.asks(rng, 4, 7, errors=habits(rng, 4)), hours(mean * .8, self.tz, rng.uniform(7.5, 9.5), rng.uniform(17, 19.5), rng.choice([.01, .1])),
                        calls=rng.uniform(3, 14), pause=rng.uniform(3, 25), noise=.5, people=rng.randint(2, 9)))
        if rng.random() < .5:
            self.nightly(rng, self.clients[0].where, mean * .2)

    def servers(self, rng, n=None):
        r = rng.random()
        if r < .5:
            return Machines(rng, self.cloud, n or rng.randint(1, 5))
        return Fleet(rng, self.cloud, rng.randint(3, 14), rng.uniform(5, 60) * HOUR) if r < .75 else Nat(rng, self.cloud, rng.randint(1, 3))

    def backend(self, rng, mean):
        """Servers that call as their own users come, often with a job at night, a developer and a probe."""
        where, night = self.servers(rng), rng.random() < .5
        self.add(Client(where, [self.tool], self.asks(rng), daily(mean * (.7 if night else .95), self.tz, rng.uniform(.3, .85), rng.uniform(.35, 1.15), rng.uniform(12, 20)), noise=rng.uniform(.05, .3),
                        calls=rng.choice([1, 1, 2.5, 4]), pause=rng.uniform(.1, 2)))
        if night:
            self.nightly(rng, where, mean * .25)
        if rng.random() < .35:
            self.add(Client(Nat(rng, self.office, 1), [rng.choice(self.p.hand)], self.asks(rng, 3, 6, errors=habits(rng, 6)), hours(max(mean * .04, 10 / DAY), self.tz), calls=6, pause=12, noise=.8, people=2))
        if rng.random() < .25:
            self.probe(rng)

    def nightly(self, rng, where, mean):
        every = rng.choice([HOUR, 4 * HOUR, DAY, DAY, DAY])
        lists = [n for n in ("list", "item", "insight", "bounces", "got", "stock", "bars") if n in self.product.routes]
        size = max(4, mean * every)
        at = ((rng.randint(0, 5) - self.tz) % 24) * HOUR + rng.choice([0, 0, 300, 900, 1800])
        agents = [self.tool if rng.random() < .6 else rng.choice(self.p.tools)]
        self.add(Job(where, agents, self.asks(rng, names=lists[:rng.randint(1, 3)]), every, at % every, lambda r, t: size * r.lognormvariate(-.03, .25), rng.uniform(.15, 2.5)))

    def probe(self, rng):
        places = [n.ip(rng) for n in rng.sample(find("cloud", "vps"), rng.randint(2, 5))]
        route = next(n for n in ("balance", "models", "stats", "list", "now", "item") if n in self.product.routes)
        self.add(Ticks(Machines(rng, self.cloud, ips=places), [rng.choice(["Pingmon", "Uptrace", "Checkly", "StatusBeacon"]) + "/%d.%d" % (rng.randint(1, 5), rng.randint(0, 9))],
                       self.asks(rng, names=[route], errors={}), rng.choice([300, 600, 900]), people=len(places)))

    def app(self, rng, mean):
        """The key is in an app: many people on telephones and at home, with the app's own agent, and a backend beside it."""
        name, build = word(rng, 3).capitalize(), (rng.randint(2, 9), rng.randint(0, 20))
        self.agent = lambda a, b: ["%s/%d.%d%s (%s)" % (name, a, b, rng.choice(["", ".1", ".2"]), o) for o in ("iOS 18.5", "iOS 18.4", "Android 15", "Android 14", "Android 16")]
        self.build = build
        mean *= 1.6
        people = homes(self.country) * 6 + rng.sample(homes(), 4)
        self.crowd = Crowd(rng, people, mean * DAY / 7, 1.2)
        self.add(Client(self.crowd, self.agent(*build), self.asks(rng, 3, 6), daily(mean * .9, self.tz, rng.uniform(.7, .95), rng.uniform(.9, 1.4), rng.uniform(17, 21)), calls=rng.uniform(2, 6), pause=rng.uniform(4, 20),
                        people=self.crowd.size))
        if rng.random() < .6:
            self.add(Client(self.servers(rng), [self.tool], self.asks(rng, 1, 4), daily(mean * .1, self.tz, .4), noise=.1))

    def functions(self, rng, mean):
        """Code that runs in functions of a cloud and has no address of its own."""
        self.add(Client(Functions(rng, self.cloud, rng.randint(2, 9), rng.uniform(5, 25)), [self.tool], self.asks(rng), daily(mean * .9, self.tz, rng.uniform(.3, .8), rng.uniform(.4, 1.1)), noise=.25,
                        calls=rng.choice([1, 2, 3]), pause=rng.uniform(.1, 1)))
        if rng.random() < .4:
            self.nightly(rng, self.clients[0].where, mean * .15)

    def batch(self, rng, mean):
        """Jobs and nothing else; now and then somebody looks by hand."""
        where = self.servers(rng, 1)
        for part in (.6, .4)[:rng.randint(1, 2)]:
            self.nightly(rng, where, mean * part)
            self.clients[-1].asks = self.asks(rng, 1, 3)
        if rng.random() < .6:
            self.add(Client(Nat(rng, self.office, 1), [rng.choice(self.p.hand)], self.asks(rng, 2, 5, errors=habits(rng, 5)), hours(max(mean * .05, 8 / DAY), self.tz), calls=5, pause=15, noise=.8, people=2))

    def devices(self, rng, mean):
        """Meters, tills and thermostats in homes and shops, each on its timer; a backend reads along."""
        every = rng.choice([900, 1800, 3600, 7200])
        n = max(6, int(mean * every * .9))
        crowd = Crowd(rng, homes(self.country), n, 9)
        names = [r for r in ("ingest", "shadow", "cmd", "now", "fc") if r in self.product.routes]
        fw = ["%s-fw/%d.%d" % (word(rng, 2), rng.randint(1, 4), rng.randint(0, 12))]
        self.add(Ticks(crowd, fw, self.asks(rng, names=names[:rng.randint(1, 3)]), every, people=n))
        self.add(Client(self.servers(rng), [self.tool], self.asks(rng, 2, 4), daily(mean * .15, self.tz, .4), noise=.1))

    def poller(self, rng, mean):
        """Polls what is traded while the exchange is open; a research notebook in the evening."""
        every = rng.choice([20, 30, 60])
        self.add(Ticks(Machines(rng, self.cloud, rng.randint(1, 3)), [self.tool], self.asks(rng, names=["item"] + rng.sample(["bars", "news"], rng.randint(0, 1))), every, people=max(1, min(8, round(mean * every * 3.5)))))
        self.clients[0].rate = lambda t, wd: (hours(1, self.tz, 9, 17, 0, .02)(t, wd) * 8 / 24)
        self.add(Client(Nat(rng, self.office, 1), [rng.choice(self.p.hand)], self.asks(rng, 3, 5, errors=habits(rng, 4)), hours(max(mean * .08, 10 / DAY), self.tz, 15, 22, .5), calls=8, pause=6, noise=.7, people=2))
