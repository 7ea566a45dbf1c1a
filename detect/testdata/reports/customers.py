"""Customers: nine kinds of houses, the clients each has, and the parts that stories are made of."""
import math

from clients import Client, always, daily, flow, heaps, local, mixed, office, once, public, timers, waits
from places import CLOCK, DAY, HOUR, Gateway, Line, Nodes, People, Runners, find
from services import Things, spell, word

KINDS = {  # which houses buy a service
    "sign": ("worker", "web", "staff"), "registry": ("build", "build", "cron"), "vision": ("worker", "web"), "dns": ("build", "cron", "web"), "bank": ("web", "worker", "cron"), "records": ("staff", "worker", "cron"),
    "fleet": ("vehicles", "cron", "web"), "seats": ("web", "handsets"), "points": ("handsets", "web", "tills"), "desk": ("staff", "worker"), "assets": ("staff", "worker", "cron")}
WHERE = ["US"] * 5 + ["DE", "DE", "GB", "GB", "FR", "NL", "ES", "IT", "SE", "IN", "IN", "JP", "BR", "AU", "SG", "CA", "ZA", "PL", "KR", "TR"]


def agents(rng):
    """The programs of the time: (those of servers, those of desks)."""
    v = lambda a, b: rng.randint(a, b)  # noqa: E731
    servers = ["node", "node/22.%d.0 (linux; x64)" % v(1, 14), "Python/3.1%d aiohttp/3.%d.%d" % (v(0, 4), v(9, 13), v(0, 12)), "python-urllib3/2.%d.%d" % (v(0, 5), v(0, 3)), "Dart/3.%d (dart:io)" % v(2, 9), "Deno/2.%d.0" % v(0, 5),
               "PHP/8.%d" % v(1, 4), "rest-client/2.1.0 (linux x86_64) ruby/3.%dp0" % v(1, 4), "Apache-HttpClient/5.%d (Java/21.0.%d)" % (v(1, 5), v(1, 8)), "go-resty/2.%d.0" % v(9, 16), "hyper/1.%d" % v(1, 7), "Bun/1.%d.0" % v(1, 3),
               "HTTPie/3.%d.0" % v(0, 2), "Elixir/req 0.%d.0" % v(3, 5), "akka-http/10.%d.0" % v(2, 7), "libwww-perl/6.%d" % v(60, 78)]
    hand = ["bruno-runtime/2.%d.0" % v(0, 12), "vscode-restclient", "yaak/2025.%d.0" % v(1, 8), "curl/8.%d.0" % v(4, 16), "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Excel 16.0; Pro)", "PowerShell/7.%d.0" % v(3, 5)]
    browsers = ["Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36%s" % (o, v(132, 142), e) for o in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; CrOS x86_64 14541.0.0")
                for e in ("", " Edg/%d.0.0.0" % v(132, 142))]
    return servers, hand, browsers


class Customer:
    def __init__(self, rng, i, service, kind, programs, horizon):
        self.rng, self.i, self.service, self.kind, self.horizon, self.programs = rng, i, service, kind, horizon, programs
        self.country = rng.choice(WHERE)
        self.tz = CLOCK[self.country]
        self.per_day = min(2500, max(6, 30 * rng.paretovariate(.8)))
        self.things = Things(rng, service.style, rng.randint(12, 90) if service.name == "registry" else int(math.exp(rng.uniform(math.log(60), math.log(9000)))))
        self.plan, self.created, self.labels, self.clients = rng.choice(["start", "team", "team", "scale"]), -rng.uniform(12, 700) * DAY, [], []
        self.cloud = rng.choice(find("cloud", country=self.country) or find("cloud"))
        self.isp = rng.choice(find("isp", country=self.country))
        self.tool = rng.choice(programs[0]) if rng.random() < .6 else "%s-sdk-%s/%d.%d.%d" % (word(rng), rng.choice(["js", "py", "java", "net"]), rng.randint(1, 6), rng.randint(0, 30), rng.randint(0, 9))
        self.habits = {400: rng.uniform(0, .012), 404: rng.uniform(0, .02), 409: rng.uniform(0, .008), 410: rng.uniform(0, .003), 422: rng.uniform(0, .006), 429: rng.uniform(0, .002), 500: rng.uniform(0, .002)}
        getattr(self, kind)(rng)
        self.base, self.main = list(self.clients), self.clients[0]

    # ----- parts
    def add(self, *a, **k):
        c = Client(*a, **{"things": self.things, "errors": self.habits, **k})
        self.clients.append(c)
        return c

    def some(self, rng, lo, hi):
        pool = [n for n in self.service.daily if n != "publish"]
        return sorted(rng.sample(pool, min(len(pool), rng.randint(lo, hi))))

    def usual(self):
        return sorted(self.names)

    def servers(self, rng):
        return rng.choice([lambda: Gateway(rng, self.cloud, rng.randint(1, 6)), lambda: Nodes(rng, self.cloud, rng.randint(2, 12), rng.uniform(3, 40)), lambda: Line(rng, self.cloud, rng.randint(1, 3))])()

    def asns(self):
        return {n.asn for c in self.clients for n in c.where.nets}

    def times(self, f, clients=None):
        for c in clients or self.base:
            c.factors.append(f)

    def without(self, a, b):
        self.times(lambda t: 0.0 if a <= t < b else 1.0)

    def label(self, family, expect, a, b):
        self.labels.append((family, expect, a, min(b, self.horizon)))

    def others(self, r):
        """An object of somebody else, or of nobody."""
        return spell(self.service.style, r.getrandbits(44), r.randrange(5000))

    # ----- kinds
    def worker(self, rng):
        """A queue of events: heaps of calls within seconds of each other."""
        self.names = self.some(rng, 2, 5)
        size = rng.uniform(2, 25)
        waiting = self.service.name == "vision" and rng.random() < .7
        work = waits(self.service, rng.uniform(2, 12), rng.uniform(2, 8)) if waiting else mixed(rng, self.names, self.service, rng.uniform(1, 3), rng.uniform(.05, .6))
        self.names += ["make", "item", "file"] if waiting else []
        self.add(self.servers(rng), [self.tool], heaps(max(1.5, self.per_day / size / 2), size, rng.choice([always, public(self.tz), office(self.tz)])), work)

    def web(self, rng):
        """Servers that call as their own users click; sometimes a developer beside them."""
        self.names = self.some(rng, 3, 6)
        self.add(self.servers(rng), [self.tool], flow(self.per_day / 2, public(self.tz, rng.uniform(.5, 1.4)), rng.uniform(.8, 1.6)), mixed(rng, self.names, self.service, rng.uniform(1, 4), rng.uniform(.1, 2)))
        if rng.random() < .3:
            self.add(Line(rng, self.isp), [rng.choice(self.programs[1])], flow(max(2, self.per_day * .02), office(self.tz)), mixed(rng, self.some(rng, 3, 6), self.service, 5, 15), errors={k: v * 6 for k, v in self.habits.items()})

    def build(self, rng):
        """Pipelines: each push starts some machines, which ask for nearly the same things and are gone."""
        self.names = ["item", "file", "publish"] if self.service.name == "registry" else self.some(rng, 3, 5)
        self.names = [n for n in self.names if n in self.service.routes]
        where = Runners([self.cloud]) if rng.random() < .6 else Runners(find("cloud", country="US")[:3])
        self.add(where, [self.tool], heaps(max(7, self.per_day / 30), 2, office(self.tz, 9, 19)), mixed(rng, self.names, self.service, rng.uniform(6, 16), rng.uniform(.1, 1)))

    def cron(self, rng):
        """Runs at the same local hours, each over some of the objects; now and then a look by hand."""
        self.names = self.some(rng, 1, 3)
        hours = sorted(rng.sample(range(24), rng.choice([1, 1, 2, 4, 12])))
        self.add(self.servers(rng), [self.tool], daily(hours, self.tz, rng.choice([range(7), range(5)])), mixed(rng, self.names, self.service, max(3, self.per_day / len(hours)), rng.uniform(.2, 3)))
        if rng.random() < .4:
            self.add(Line(rng, self.isp), [rng.choice(self.programs[1])], flow(3, office(self.tz)), mixed(rng, self.some(rng, 2, 4), self.service, 4, 12))

    def staff(self, rng):
        """People with tools at an office's line."""
        self.names = self.some(rng, 4, 6)
        tools = [self.tool] + rng.sample(self.programs[1] + self.programs[2], rng.randint(0, 2))
        self.add(Gateway(rng, self.isp, rng.randint(1, 4)), tools, flow(max(4, self.per_day / 7), office(self.tz, rng.uniform(7, 9.5), rng.uniform(16.5, 19)), 1.3), mixed(rng, self.names, self.service, 7, rng.uniform(5, 40)), people=rng.randint(2, 25),
                 errors={k: v * 3 for k, v in self.habits.items()})

    def handsets(self, rng):
        """An app: visits of many people, and a server beside them."""
        self.names = self.some(rng, 3, 5)
        app, (a, b) = word(rng, 3).capitalize(), (rng.randint(1, 9), rng.randint(0, 30))
        self.app = lambda a, b: ["%s/%d.%d CFNetwork/3826 Darwin/25.%d" % (app, a, b, k) for k in (0, 1)] + ["%s-android/%d.%d okhttp/5.1" % (app.lower(), a, b)]
        self.version = (a, b)
        self.per_day = max(self.per_day, 150)
        nets = find("isp", "mobile", country=self.country) or find("isp", country=self.country)
        self.add(People(rng, nets), self.app(a, b), flow(self.per_day / 4, public(self.tz)), mixed(rng, self.names, self.service, 4, rng.uniform(3, 12)), people=max(20, int(self.per_day / rng.uniform(3, 12))))
        self.add(self.servers(rng), [self.tool], flow(max(8, self.per_day * .1), public(self.tz)), mixed(rng, self.some(rng, 2, 3), self.service, 1.3, .3))

    def vehicles(self, rng):
        """Boxes in lorries on telephone networks, each on its timer; an office reads along."""
        period = rng.choice([900, 1800, 3600])
        self.boxes = n = min(60, max(8, int(self.per_day * period / DAY)))
        self.names = ["make", "item", "geo"]
        nets = find("mobile", country=self.country) + find("isp", country=self.country)[:1]
        self.add(People(rng, nets), ["%s-tcu/%d.%d" % (word(rng), rng.randint(1, 5), rng.randint(0, 20))], timers(n, period), mixed(rng, ["make"], self.service))
        self.add(self.servers(rng), [self.tool], flow(max(5, self.per_day * .1), office(self.tz)), mixed(rng, ["item", "trips", "list"], self.service, 3, 1))

    def tills(self, rng):
        """Shops with a till each, open by day."""
        n = max(2, min(40, int(self.per_day / 40)))
        self.names = ["item", "make", "offers"]
        self.add(Line(rng, self.isp, n), ["%s-pos/%d.%d" % (word(rng), rng.randint(2, 12), rng.randint(0, 9))], flow(self.per_day / 2, office(self.tz, 9, 20, .8), .9), mixed(rng, self.names, self.service, 2, 20), people=n)

    # ----- what strangers bring
    def story(self, rng, where, agents, steps, a, b, things=None):
        """A program with a script of its own, steps(r, now)."""
        return self.add(where, agents, once, lambda r, who, now: steps(r, now), things=things or self.things, errors={}, on=a, off=b, retry=0)

    def tools(self, rng, copied=.25):
        return [self.tool] if rng.random() < copied else [rng.choice([p for p in self.programs[0] + self.programs[1] if p != self.tool])]

    def strange(self, rng, *kinds, near=False):
        kinds = kinds or ("vps", "vpn")
        return rng.choice((near and find(*kinds, country=self.country, unlike=self.asns())) or find(*kinds, unlike=self.asns()))

    def night(self, t0, hour):
        return t0 - t0 % DAY + (hour - self.tz) % 24 * HOUR

    def workday(self, t0, hour, wd):
        t = self.night(t0, hour)
        step = DAY
        while local(t, self.tz, wd)[1] > 4:
            t += step
            if t > self.horizon - DAY:  # rather the Friday before than after the end
                t, step = t - DAY, -DAY
        return t
