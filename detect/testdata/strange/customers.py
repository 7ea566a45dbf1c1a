"""The customers of a platform: seventeen kinds, from a key that calls three times a day to an app on tens of thousands of telephones."""
from pace import Flow, Heaps, Job, Tick, evening, office, shops, waves
from places import DAY, OFFSET, Both, Crowd, Functions, Machines, NatPool, Sites, find
from products import PRODUCTS, Things, Work

LIBRARIES = ["python-requests/2.32.4", "python-httpx/0.28.1", "Go-http-client/2.0", "axios/1.9.0", "node", "okhttp/5.0.0", "Java/21.0.7", "Apache-HttpClient/5.4 (Java/17)", "GuzzleHttp/7",
             "Faraday v2.13.1", "reqwest/0.12.15", "RestSharp/112.1", "PostmanRuntime/7.44.0", "curl/8.9.1", "Dart/3.8 (dart:io)", "aiohttp/3.12.2", "undici", "lua-resty-http/0.17"]
# kind: (weight, products)
KINDS = {
    "batch": (9, ("pay", "crm", "files", "files", "data")), "few": (14, ("pay", "crm", "sms", "mail", "geo", "files")), "app": (1, ("shop",)), "nat": (6, ("crm", "files", "files")),
    "llm": (12, ("llm",)), "graph": (9, ("graph",)), "saas": (8, ("crm",)), "hooks": (6, ("hooks",)), "etl": (7, ("pay", "crm", "mail")), "poller": (7, ("data", "cloud")),
    "tills": (4, ("pay",)), "analyst": (6, ("data",)), "map": (7, ("geo",)), "idle": (5, ("pay", "crm", "sms", "llm", "graph", "ident")), "cloud": (7, ("cloud",)), "notify": (9, ("sms", "mail")),
    "server": (16, ("pay", "ident", "ident", "files", "files", "vault", "shop", "geo")), "vault": (4, ("vault",)),
}
COUNTRIES = ["US"] * 6 + ["DE", "DE", "GB", "GB", "FR", "NL", "IN", "JP", "BR", "CA", "AU", "IT", "ES", "SE", "TR", "SG", "CH", "KR", "MX", "PL"]
COUNT = (20000, 6000, 2500)  # addresses of the apps


class Client:
    """One program: where it is, what it calls itself, what it does and when. `gates` scale it over time."""

    def __init__(self, pace, work, source, agents, start=0.0, end=1e12, retries=0.0):
        self.pace, self.work, self.source, self.agents, self.start, self.end, self.retries, self.gates = pace, work, source, agents, start, end, retries, []

    def scale(self, t):
        f = 1.0 if self.start <= t < self.end else 0.0
        for a, b, g in self.gates:
            if a <= t < b:
                f *= g(t) if callable(g) else g
        return f

    def cut(self, a, b, factor=0.0):
        self.gates.append((a, b, factor))

    def like(self, start, end, **changes):
        """The same program in another guise, beside this one."""
        c = Client(self.pace, self.work, self.source, self.agents, start, end, self.retries)
        c.gates = list(self.gates)
        for k, v in changes.items():
            setattr(c, k, v)
        return c

    def rows(self, rng, a, b, sky):
        a, b = max(a, self.start), min(b, self.end)
        out = []
        if a >= b:
            return out
        for t, session in self.pace.times(rng, a, b, self.scale):
            agent = self.agents[session % len(self.agents)]
            out.append((t, *sky(rng, t, self.work, self.work.draw(rng, t, session)), self.source.pick(rng, t, session), agent))
            tries = 0
            while out[-1][3] in (429, 500, 502, 503) and tries < 4 and rng.random() < self.retries:  # the same call once more
                tries += 1
                t += 2 ** tries * rng.uniform(.5, 1.5)
                m, path, status, size, ms, u, into = self.work.draw(rng, t, session)
                out.append((t, *sky(rng, t, self.work, (*out[-1][1:3], 200 if status < 400 else status, size, ms, u, into)), *out[-1][8:]))
        return out


class Customer:
    def __init__(self, rng, i, key, days):
        self.rng, self.i, self.key, self.days = rng, i, key, days
        self.kind = rng.choices(list(KINDS), [w for w, _ in KINDS.values()])[0] if i >= 3 else "app"
        self.product = rng.choice(KINDS[self.kind][1])
        self.plan = rng.choices(["free", "team", "business"], [4, 5, 2])[0]
        self.country = rng.choice(COUNTRIES)
        self.offset = OFFSET.get(self.country, 0)
        self.per_day = min(4000, rng.lognormvariate(4.3, 1.2))
        self.born = 0.0 if rng.random() < .85 or i < 3 else rng.uniform(.5, .4 * days) * DAY
        self.labels, self.clients = [], []
        self.things = Things(rng, PRODUCTS[self.product][1], rng.uniform(.02, .4) * self.per_day)
        getattr(self, self.kind)(rng)
        self.base = self.clients[0]

    # ------------------------------------------------------------------ parts
    def routes(self, rng, lo=2, hi=6):
        rs = PRODUCTS[self.product][2]
        return sorted(rng.sample(rs, min(len(rs), rng.randint(lo, hi))), key=lambda r: -r[2])

    def work(self, rng, routes=None, clumsy=1.0, **more):
        errors = {400: rng.uniform(.001, .012) * clumsy, 404: rng.uniform(.001, .015) * clumsy, 429: rng.uniform(0, .003), 500: rng.uniform(0, .002)}
        if self.product == "pay":
            errors[402] = rng.uniform(.01, .05)
        return Work(rng, self.product, routes or self.routes(rng), self.things, errors, **more)

    def hosted(self, rng, n, six=False):
        return Machines(rng, rng.choice(find("cloud", "cloud", "vps", country=self.country) or find("cloud")), n, six)

    def line(self, rng, *kinds):
        return rng.choice(find(*(kinds or ("isp",)), country=self.country) or find("isp"))

    def run(self, pace, work, source, agents=None, **more):
        self.clients.append(Client(pace, work, source, agents or [self.rng.choice(LIBRARIES)], start=self.born, retries=self.rng.choice([0, 0, .5, .9]), **more))

    # ------------------------------------------------------------------ kinds
    def batch(self, rng):
        self.per_day = min(2500, rng.lognormvariate(5, 1.1))
        self.run(Job(rng.choice([0.5, 1, 2, 3.25, 4, 22]), self.per_day, rng.uniform(.3, 3), self.offset, rng.choice([range(7), range(5), range(1, 6)])), self.work(rng, self.routes(rng, 1, 3)), self.hosted(rng, 1))

    def few(self, rng):
        self.per_day = rng.uniform(3, 45)
        source = rng.choice([Machines(rng, self.line(rng)), self.hosted(rng, 1), Machines(rng, rng.choice(find("isp", six=True)), 1, True)])
        self.run(Flow(self.per_day / 2, office if rng.random() < .7 else waves(.5), self.offset, 2, 20, .5), self.work(rng, self.routes(rng, 1, 4), 2), source)

    def app(self, rng):
        size = COUNT[min(self.i, 2)]
        self.per_day = size / rng.uniform(3.5, 6)
        nets = find("isp", "mobile", country=self.country) * 6 + rng.sample(find("isp", "mobile"), 8)
        version = rng.randint(3, 9)
        agents = ["Basarik/%d.%d.%d (%s)" % (version, m, b, os) for m, b, os in [(4, 1, "iPhone; iOS 19.2"), (4, 1, "Android 16"), (4, 0, "Android 15"), (4, 1, "iPhone; iOS 18.6"), (3, 7, "Android 14")]]
        self.run(Flow(self.per_day / 6, evening, self.offset, 6, 9), self.work(rng, PRODUCTS["shop"][2]), Crowd(rng, nets, size), agents)

    def nat(self, rng):
        agents = ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/13%d.0.0.0 Safari/537.36" % v for v in (6, 7, 8)] + ["HollisDesk/2.%d (Windows)" % rng.randint(1, 9), "Excel/16.0"]
        self.run(Flow(self.per_day / 8, office, self.offset, 8, 15), self.work(rng, clumsy=2), NatPool(rng, self.line(rng), rng.choice([4, 8, 16])), agents)

    def llm(self, rng):
        self.run(Flow(self.per_day / 3, rng.choice([waves(.6), office, evening]), self.offset, 3, 12, .3), self.work(rng, size=rng.lognormvariate(0, .6), dear=rng.choice([.2, 1, 1, 5])), self.hosted(rng, rng.randint(1, 3)),
                 [rng.choice(["OpenAI/Python 1.82.0", "anthropic-sdk-typescript/0.52", "langchain-core/0.3.60", "LiteLLM/1.71"] + LIBRARIES[:8])])

    def graph(self, rng):
        app = rng.random() < .3
        source = Crowd(rng, find("isp", "mobile", country=self.country) or find("isp"), rng.randint(100, 900)) if app else self.hosted(rng, rng.randint(1, 4))
        self.run(Flow(self.per_day / 4, evening if app else waves(.6), self.offset, 4, 6), self.work(rng), source, ["apollo-ios-v1", "apollo-kotlin/4.2"] if app else [rng.choice(["graphql-request/7", "node", "apollo-client"])])

    def saas(self, rng):
        tenants = ["org%d" % rng.randint(1000, 99999) for _ in range(rng.randint(8, 200))]
        self.per_day = max(self.per_day, 4.0 * len(tenants))
        self.run(Flow(self.per_day / 7, waves(.8, 13, .3), self.offset, 7, 3), self.work(rng, tenants=tenants), self.hosted(rng, rng.randint(2, 8)), ["%s-connector/%d.%d" % (rng.choice(["Plumbr", "Syncly", "Tandem", "Orbitel"]), rng.randint(1, 6), rng.randint(0, 30))])

    def hooks(self, rng):
        self.run(Heaps(self.per_day / 12, 12, waves(.4), self.offset), self.work(rng, size=rng.uniform(.5, 3)), self.hosted(rng, rng.randint(2, 6)), ["%s-Hookshot/%x" % (rng.choice(["Relais", "Git", "Shop"]), rng.getrandbits(24))])

    def etl(self, rng):
        self.run(Tick(3600, max(2, self.per_day / 24), .04, rng.uniform(.4, 3)), self.work(rng, [r for r in PRODUCTS[self.product][2] if r[0] == "GET"][:3]), self.hosted(rng, 1, rng.random() < .3), [rng.choice(["Airbyte/1.7", "Fivetran", "python-requests/2.31.0", "meltano/3.7"])])

    def poller(self, rng):
        self.run(Tick(rng.choice([60, 120, 300, 900]), rng.choice([1, 1, 1, 2])), self.work(rng, [r for r in PRODUCTS[self.product][2] if r[0] == "GET"][:2], fresh=rng.choice([0, .8])), self.hosted(rng, rng.randint(1, 2)))

    def tills(self, rng):
        self.per_day = max(self.per_day, 300)
        nets = find("isp", "mobile", country=self.country) or find("isp")
        self.run(Flow(self.per_day / 2, shops, self.offset, 2, 3), self.work(rng, PRODUCTS["pay"][2][:5]), Sites(rng, nets, rng.randint(8, 60)), ["KassePOS/4.2.%d" % rng.randint(0, 9)])

    def analyst(self, rng):
        w = self.work(rng, clumsy=6)
        w.errors[504] = rng.uniform(.005, .03)  # queries that took too long
        self.run(Flow(min(self.per_day, 400) / 6, office, self.offset, 6, 40, .5), w, rng.choice([Machines(rng, self.line(rng), 2), self.hosted(rng, 1)]), ["silo-odbc/3.1", "DBeaver 25.0"])

    def map(self, rng):
        self.run(Flow(self.per_day / 10, waves(.6), self.offset, 10, .5), self.work(rng), self.hosted(rng, rng.randint(1, 4)) if rng.random() < .6 else Functions(rng, rng.choice(find("cloud", country=self.country) or find("cloud"))))

    def idle(self, rng):
        self.born = 0.0
        self.run(Flow(rng.uniform(20, 150), office, self.offset), self.work(rng, clumsy=3), rng.choice([Machines(rng, self.line(rng)), self.hosted(rng, 1)]), end=rng.uniform(1, 3.5) * DAY)

    def cloud(self, rng):
        self.run(Flow(self.per_day / 5, waves(.5), self.offset, 5, 2), self.work(rng), self.hosted(rng, rng.randint(1, 2)), ["terraform-provider-nimbusso/2.%d" % rng.randint(1, 40), "nimbusso-exporter/0.9"])

    def notify(self, rng):
        self.run(Flow(self.per_day, waves(.7, 13), self.offset), self.work(rng, dear=rng.uniform(.8, 1.6)), self.hosted(rng, rng.randint(1, 3)))

    def server(self, rng):
        self.run(Flow(self.per_day / 2, waves(rng.uniform(.2, .8), rng.uniform(11, 20), rng.uniform(.5, 1.2)), self.offset, 2, 1), self.work(rng), self.hosted(rng, rng.randint(1, 5), rng.random() < .25))

    def vault(self, rng):
        net = self.hosted(rng, 1).net
        self.things.old, self.things.per_day, self.things.recent = rng.randint(8, 25), .05, 6
        self.run(Tick(rng.choice([300, 900, 1800]), rng.randint(1, 3)), self.work(rng), Both(.5, Machines(rng, net, 3), Functions(rng, net)))

    # ------------------------------------------------------------------ for episodes
    def label(self, family, expect, start, end):
        self.labels.append((family, expect, start, min(end, self.days * DAY)))

    def asns(self):
        return {n.asn for c in self.clients for n in c.source.nets}

    def abroad(self, rng, *kinds, six=False):
        """A network of these kinds, in another country and not one that the customer uses."""
        return rng.choice(find(*kinds, abroad=self.country, unlike=self.asns(), six=six))

    def cut(self, a, b, factor=0.0):
        self.base.cut(a, b, factor)

    def swap(self, a, b, **changes):
        """The base in another guise from a to b."""
        new = self.base.like(a, b, **changes)
        self.base.cut(a, b)
        self.clients.append(new)
        return new
