"""Networks and the ways in which clients come by their addresses.

The networks are those of the shared generator and of `testdata/world`: real ones, by number, kind and country. A source has pick(rng, t, who): `who` is a number that stays
the same for one machine, person or session.
"""
import ipaddress
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(HERE, *[os.pardir] * 4, "shared")
DAY, HOUR = 86400, 3600
OFFSET = {"US": -6, "CA": -5, "MX": -6, "CO": -5, "CL": -4, "BR": -3, "AR": -3, "GB": 0, "IE": 0, "FR": 1, "DE": 1, "ES": 1, "IT": 1, "NL": 1, "CH": 1, "SE": 1, "NO": 1, "PL": 1,
          "AT": 1, "BE": 1, "CZ": 1, "NG": 1, "ZA": 2, "GR": 2, "RO": 2, "UA": 2, "TR": 3, "SA": 3, "KE": 3, "AE": 4, "PK": 5, "IN": 5.5, "TH": 7, "ID": 7, "VN": 7, "SG": 8, "MY": 8,
          "PH": 8, "JP": 9, "KR": 9, "AU": 10, "NZ": 12}


def number(address):
    return int(ipaddress.ip_address(address))


class Net:
    def __init__(self, line):
        self.asn, self.kind, self.country = line["asn"], {"host": "vps"}.get(line["kind"], line["kind"]), line["country"]
        pairs = line.get("ranges") or [r.split("-") for r in line["v4"]]
        self.v4 = [(number(a), number(b)) for a, b in pairs]
        self.v6 = [tuple(number(x) for x in r.split("-")) for r in line.get("v6", [])]

    def ip(self, rng):
        a, b = rng.choice(self.v4)
        return str(ipaddress.ip_address(rng.randint(a + 5, b - 5)))

    def near(self, rng, n):
        """n addresses of one small block, as one customer of a provider gets them."""
        a, b = rng.choice(self.v4)
        at = rng.randint(a + 5, b - 5 - 4 * n)
        return [str(ipaddress.ip_address(at + i)) for i in sorted(rng.sample(range(4 * n), n))]

    def prefix6(self, rng):
        a, b = rng.choice(self.v6)
        return rng.randint((a >> 64) + 1, b >> 64)


NETS = [Net(json.loads(line)) for path in (os.path.join(SHARED, "scenarios", "networks.jsonl"), os.path.join(HERE, os.pardir, "world", "networks.jsonl")) for line in open(path)]


def find(*kinds, country=None, unlike=(), six=False):
    """Networks of these kinds: of a country, without the numbers in `unlike`, with IPv6 if `six`."""
    return [n for n in NETS if n.kind in kinds and (country is None or n.country == country) and n.asn not in unlike and (n.v6 or not six)]


def homes(country=None, unlike=()):
    return find("isp", "mobile", country=country, unlike=unlike) or find("isp", "mobile", unlike=unlike)


def ip6(prefix, rng):
    return str(ipaddress.IPv6Address(prefix << 64 | rng.getrandbits(64)))


class Machines:
    """Servers, or lines of an office, with lasting addresses."""

    def __init__(self, rng, net, n=1, ips=None):
        self.nets, self.ips = [net], ips or [net.ip(rng) for _ in range(n)]

    def pick(self, rng, t, who):
        return self.ips[who % len(self.ips)]


class Nat(Machines):
    """Many desks or machines behind a few neighbouring addresses; each call leaves by any."""

    def __init__(self, rng, net, n=2):
        super().__init__(rng, net, ips=net.near(rng, n))

    def pick(self, rng, t, who):
        return rng.choice(self.ips)


class Fleet:
    """Machines that are replaced every some hours; `n` of them, or n(t)."""

    def __init__(self, rng, net, n, life=8 * HOUR):
        self.nets, self.n, self.life, self.made = [net], n, life, {}

    def pick(self, rng, t, who):
        n = self.n(t) if callable(self.n) else self.n
        i = rng.randrange(max(1, int(n)))
        at = (i, int(t / self.life + i * .618))
        if at not in self.made:
            self.made[at] = rng.choice(self.nets).ip(rng)
        return self.made[at]


class Functions(Fleet):
    """Functions of a cloud: each lives for some minutes at an address out of all that the provider has."""

    def __init__(self, rng, net, n=5, minutes=9):
        super().__init__(rng, net, n, minutes * 60)


class Crowd:
    """People on consumer lines; a line's address changes every day or so, a telephone's more often."""

    def __init__(self, rng, nets, size, days=2.0):
        self.nets, self.size, self.made = nets, max(3, int(size)), {}
        self.home = [(rng.choice(nets), days * rng.lognormvariate(0, 1) * DAY) for _ in range(self.size)]

    def pick(self, rng, t, who):
        i = int(self.size * ((who * 0.6180339887) % 1) ** 2)
        net, life = self.home[i]
        at = (i, int(t / max(life, 2 * HOUR) + i * .37))
        if at not in self.made:
            self.made[at] = ip6(net.prefix6(rng), rng) if net.v6 and i % 3 == 0 else net.ip(rng)
        return self.made[at]


class Proxies:
    """Another address every few calls."""

    def __init__(self, rng, nets, each=3):
        self.nets, self.each, self.left, self.ip = nets, each, 0, None

    def pick(self, rng, t, who):
        if self.left <= 0:
            self.ip, self.left = rng.choice(self.nets).ip(rng), rng.randint(1, 2 * self.each - 1)
        self.left -= 1
        return self.ip


class OnTheMove(Proxies):
    """A telephone under way: another address every few minutes."""

    def __init__(self, rng, nets, minutes=20):
        super().__init__(rng, nets)
        self.minutes, self.until = minutes, -1

    def pick(self, rng, t, who):
        if t > self.until:
            self.ip, self.until = rng.choice(self.nets).ip(rng), t + rng.expovariate(1 / (60 * self.minutes))
        return self.ip


class Home6:
    """A household or machine with IPv6: one prefix, an interface id for some hours; now and then IPv4."""

    def __init__(self, rng, net, four, hours=7):
        self.nets, self.prefix, self.four, self.life, self.made = [net], net.prefix6(rng), four, hours * HOUR, {}

    def pick(self, rng, t, who):
        if rng.random() < .25:
            return self.four.pick(rng, t, who)
        at = (who % 5, int(t / self.life))
        if at not in self.made:
            self.made[at] = ip6(self.prefix, rng)
        return self.made[at]


class Either:
    """One of several sources, by weight."""

    def __init__(self, sources, weights=None):
        self.sources, self.weights = sources, weights
        self.nets = [n for s in sources for n in s.nets]

    def pick(self, rng, t, who):
        return rng.choices(self.sources, self.weights)[0].pick(rng, t, who)
