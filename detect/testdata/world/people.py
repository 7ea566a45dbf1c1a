"""The customers of a platform and their clients."""
import copy
import random

import api
import clock
import net

DAY, HOUR = clock.DAY, clock.HOUR
LIBRARIES = ["aws-sdk-java/2.31.12", "Boto3/1.38.4", "Python-urllib/3.12", "aiohttp/3.11.18", "python-requests/2.31.0", "Go-http-client/1.1", "resty/2.16", "undici",
             "got (https://github.com/sindresorhus/got)", "Java/17.0.11", "Apache-HttpClient/5.4.2 (Java/21.0.3)", "ktor-client", "Dart/3.7 (dart:io)", "RestSharp/112.1.0.0",
             "Faraday v2.13.0", "GuzzleHttp/7", "curl/7.88.1", "Wget/1.21.4", "hyper/1.6", "grpc-go/1.72.0", "grpc-node-js/1.13.3", "Elixir Req/0.5.10", "libwww-perl/6.77"]
SDKS = ["northwind-php/12.4.0", "northwind-node/18.1.0 (linux; node 22.14)", "mulberry-python/1.9.2", "commonroom-ruby/4.0.1", "ledger-dotnet/7.2.0"]
BROWSERS = ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/135.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:137.0) Gecko/20100101 Firefox/137.0"]
TOOLS = ["PostmanRuntime/7.42.0", "insomnia/11.0.2", "HTTPie/3.2.4", "curl/8.5.0", "python-requests/2.32.3", "bruno-runtime/2.0"]
KINDS = {  # how many of a hundred customers are of a kind
    "backend": 20, "autoscale": 8, "serverless": 8, "office": 7, "developer": 12, "nightly": 9, "weekly": 3, "app": 7, "partner": 7, "weekender": 3, "hooks": 6,
    "integrator": 4, "ci": 3, "sleeper": 6, "newcomer": 5, "devices": 3,
}
ON_SERVERS = ("backend", "autoscale", "serverless", "nightly", "partner", "hooks", "newcomer")


def open_gate(t):
    return 1.0


class Client:
    """One program of a customer: where it is, what it calls itself, what it does and when."""

    def __init__(self, source, agents, work, pace, start=0.0, end=1e12, retries=0.0):
        self.source, self.agents, self.work, self.pace, self.start, self.end, self.retries = source, agents, work, pace, start, end, retries
        self.gate = open_gate

    def but(self, start, end, **changes):
        """The same client in another guise, for a while."""
        c = copy.copy(self)
        c.start, c.end = start, end
        for name, value in changes.items():
            setattr(c, name, value)
        return c

    def cut(self, start, end, factor=0.0):
        """Scales what it does in [start, end); the factor may depend on the time."""
        old, f = self.gate, factor if callable(factor) else lambda t: factor
        self.gate = lambda t: old(t) * (f(t) if start <= t < end else 1.0)

    def agent(self, session):
        return self.agents[session // 7 % len(self.agents)]


class Customer:
    def __init__(self, world, i):
        self.world, self.rng = world, random.Random("%d customer %d" % (world.seed, i))
        rng = self.rng
        self.key = world.key_name(rng, i)
        self.kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        self.country = rng.choice(world.countries)
        self.zone = clock.Zone(self.country, world.epoch)
        self.product = rng.choice(world.products)
        self.born = rng.uniform(0.1, 0.7) * world.days * DAY if self.kind == "newcomer" else 0.0
        self.per_day = self.volume(rng)
        self.plan = "enterprise" if self.per_day > 400 else rng.choices(["trial", "team", "business"], [4, 4, 2])[0]
        self.objects = api.Objects(rng, min(6000, max(40, int(self.per_day * rng.uniform(0.3, 20)))), 3_000_000)
        self.errors = [(400, rng.uniform(0, 0.012)), (404, rng.uniform(0, 0.02)), (429, rng.uniform(0, 0.003)), (500, rng.uniform(0, 0.002)), (401, rng.uniform(0, 0.001)), (409, rng.uniform(0, 0.006))]
        self.clients, self.labels = [], []
        getattr(self, "make_" + self.kind)(rng)
        self.base = self.clients[0]

    def volume(self, rng):
        """A few heavy keys carry most of the traffic; most keys call some times a day."""
        r, scale = rng.random(), self.world.scale
        if r < 0.03:
            return scale * rng.uniform(400, 1200)
        return scale * (rng.lognormvariate(4.6, 0.5) if r < 0.3 else rng.lognormvariate(2.6, 0.7))

    # ---- what kinds there are
    def calls(self, rng, lo=0.3, hi=0.9, roles=("get", "list", "query", "write", "bulk")):
        pool = [c for c in api.PRODUCTS[self.product][1] if c.role in roles or c.role == "dear" and rng.random() < 0.5] or api.PRODUCTS[self.product][1]
        return rng.sample(pool, max(1, min(len(pool), round(len(pool) * rng.uniform(lo, hi)))))

    def use(self, rng, calls=None, clumsy=1.0, **more):
        return api.Use(rng, self.product, calls or self.calls(rng), self.objects, [(s, p * clumsy) for s, p in self.errors], **more)

    def cloud(self, rng):
        return rng.choice(net.find("cloud", country=self.country) + net.find("cloud") + net.find("host", country=self.country))

    def line(self, rng, country=None, kinds=("isp",)):
        return rng.choice(net.find(*kinds, country=country or self.country) or net.find(*kinds))

    def library(self, rng):
        return rng.choice(LIBRARIES + SDKS * 2)

    def add(self, *args, **more):
        self.clients.append(Client(*args, start=self.born, **more))

    def make_backend(self, rng):
        shape = rng.choice([clock.always, clock.daylight(rng.uniform(0.2, 0.9), rng.uniform(0.4, 1.2)), clock.evenings])
        self.add(net.Fixed(rng, self.cloud(rng), rng.randint(1, 4)), [self.library(rng)], self.use(rng), clock.Flow(self.per_day, shape, self.zone), retries=rng.choice([0, 0.5, 0.9]))

    def make_newcomer(self, rng):
        self.make_backend(rng)

    def make_autoscale(self, rng):
        self.add(net.Autoscale(rng, self.cloud(rng), rng.randint(4, 30)), [self.library(rng)], self.use(rng), clock.Flow(self.per_day * 2, clock.daylight(0.8, 0.7), self.zone), retries=0.8)

    def make_serverless(self, rng):
        shape = rng.choice([clock.daylight(0.6, 0.7), clock.always])
        self.add(net.Ephemeral([self.cloud(rng)], rng.choice([1, 3, 12])), [self.library(rng)], self.use(rng), clock.Visits(self.per_day, shape, self.zone, rng.randint(2, 10), 0.6), retries=0.5)

    def make_office(self, rng):
        """Scripts, spreadsheets and browser tools of a company, all behind one or two addresses."""
        agents = rng.sample(TOOLS + BROWSERS + LIBRARIES, rng.randint(3, 6))
        self.add(net.Fixed(rng, self.line(rng), rng.randint(1, 2)), agents, self.use(rng, self.calls(rng, 0.5, 1), clumsy=3), clock.Visits(self.per_day, clock.business, self.zone, 12, 9))

    def make_developer(self, rng):
        agents = rng.sample(TOOLS + LIBRARIES[:12], rng.randint(1, 3))
        self.add(net.Home(rng, self.line(rng)), agents, self.use(rng, self.calls(rng, 0.4, 1), clumsy=5), clock.Visits(self.per_day * 0.5, rng.choice([clock.business, clock.evenings]), self.zone, 10, 20))

    def make_nightly(self, rng):
        calls = rng.choice([1, 1, 3, int(self.per_day) + 1])
        self.add(net.Fixed(rng, self.cloud(rng)), [self.library(rng)], self.use(rng, self.calls(rng, 0.1, 0.3)), clock.Job(self.zone, rng.randint(0, 6), calls, rng.choice([24, 24, 12, 6])))

    def make_weekly(self, rng):
        self.add(net.Fixed(rng, self.cloud(rng)), [self.library(rng)], self.use(rng, self.calls(rng, 0.1, 0.4)), clock.Job(self.zone, rng.randint(0, 23), int(self.per_day) + 2, 24, [rng.randrange(7)]))

    def make_app(self, rng):
        """A key inside of an app on thousands of telephones."""
        home = net.find("isp", "mobile", country=self.country) or net.find("mobile")
        away = rng.sample(net.find("isp", "mobile"), rng.randint(4, 30))
        name = rng.choice(["Trailmix", "Fjordbank", "Kompass", "Paprika"])
        agents = ["%s/%d CFNetwork/3826.400.120 Darwin/24.3.0" % (name, rng.randint(200, 900)), "%s/3.%d.0 (Android 15; Pixel 9)" % (name, rng.randint(1, 30)), "okhttp/5.0.0-alpha.14"]
        self.per_day = max(self.per_day * 2, 60 * self.world.scale)
        self.add(net.Crowd(rng, home * 10 + away, int(self.per_day / rng.uniform(2, 12)) + 8), agents, self.use(rng, self.calls(rng, 0.4, 0.8, ("get", "query", "write", "list"))),
                 clock.Visits(self.per_day, clock.evenings, self.zone, rng.randint(3, 15), 6))

    def make_partner(self, rng):
        """Production and staging with one key."""
        self.make_backend(rng)
        self.add(net.Fixed(rng, self.cloud(rng)), [self.library(rng)], self.use(rng, self.clients[0].work.calls, clumsy=8), clock.Visits(self.per_day * 0.15 + 3, clock.business, self.zone, 15, 2))

    def make_weekender(self, rng):
        self.add(net.Home(rng, self.line(rng)), [self.library(rng)], self.use(rng), clock.Visits(self.per_day, clock.weekends, self.zone, 8, 8))

    def make_hooks(self, rng):
        self.add(net.Fixed(rng, self.cloud(rng), 2), [self.library(rng)], self.use(rng, self.calls(rng, 0.1, 0.4)), clock.Bursts(self.per_day, clock.daylight(), self.zone, rng.randint(3, 30)), retries=0.7)

    def make_integrator(self, rng):
        """Somebody else's workflow service calls for the customer, from addresses that many customers share."""
        self.add(self.world.integrator[0], self.world.integrator[1], self.use(rng, self.calls(rng, 0.1, 0.4)), clock.Visits(self.per_day, rng.choice([clock.business, clock.daylight()]), self.zone, 3, 1))

    def make_ci(self, rng):
        self.add(net.Ephemeral(self.world.runners, 25), rng.sample(LIBRARIES, 2), self.use(rng, self.calls(rng, 0.3, 0.8), clumsy=6), clock.Visits(self.per_day, clock.business, self.zone, 25, 0.7))

    def make_devices(self, rng):
        """Meters and locks in people's homes: every one calls now and then, once."""
        homes = net.find("isp", country=self.country) * 6 + rng.sample(net.find("isp", "mobile"), 8)
        self.per_day = max(self.per_day, 80 * self.world.scale)
        self.add(net.Crowd(rng, homes, int(self.per_day) + 20, 0.05), ["esp-idf/5.3 esp32", "libcurl-agent/1.0"][:rng.randint(1, 2)], self.use(rng, self.calls(rng, 0.1, 0.3)), clock.Flow(self.per_day, clock.always, self.zone))

    def make_sleeper(self, rng):
        """Used for some days, then forgotten."""
        self.make_backend(rng)
        self.clients[0].end = rng.uniform(1.5, 0.2 * self.world.days) * DAY

    # ---- for episodes
    def label(self, family, expect, start, end):
        self.labels.append({"key_id": self.key, "family": family, "expect": expect, "start": start, "end": end})

    def asns(self):
        return {a for c in self.clients for a in net.asns(c.source)}
