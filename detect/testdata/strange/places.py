"""Networks, local time, and the ways in which a client comes by its addresses.

Networks are the shared generator's and those of `testdata/world`. A source has pick(rng, t, session): calls of one session share an address where the field would.
"""
import ipaddress
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(HERE, *[".."] * 4, "shared")
DAY, HOUR = 86400, 3600
OFFSET = {"US": -6, "CA": -5, "MX": -6, "BR": -3, "AR": -3, "GB": 0, "IE": 0, "FR": 1, "DE": 1, "ES": 1, "IT": 1, "NL": 1, "CH": 1, "SE": 1, "NO": 1, "PL": 1, "SK": 1, "AT": 1, "BE": 1,
          "CZ": 1, "NG": 1, "ZA": 2, "GR": 2, "RO": 2, "UA": 2, "EE": 2, "LT": 2, "LV": 2, "TR": 3, "SA": 3, "KE": 3, "RU": 3, "AE": 4, "PK": 5, "IN": 5.5, "BD": 6, "TH": 7, "VN": 7,
          "ID": 7, "SG": 8, "MY": 8, "PH": 8, "CN": 8, "HK": 8, "JP": 9, "KR": 9, "AU": 10, "NZ": 12}


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
        return str(ipaddress.ip_address(rng.randint(a + 4, b - 4)))

    def block(self, rng, n):
        """n addresses side by side."""
        a, b = rng.choice(self.v4)
        at = rng.randint(a + 4, b - 4 - n)
        return [str(ipaddress.ip_address(at + i)) for i in range(n)]

    def ip6(self, rng, prefix=None, bits=64):
        """An IPv6 address of `prefix` (a number), or of a fresh /bits here."""
        prefix = self.prefix6(rng, bits) if prefix is None else prefix
        return str(ipaddress.IPv6Address(prefix << (128 - bits) | rng.getrandbits(128 - bits)))

    def prefix6(self, rng, bits=64):
        a, b = rng.choice(self.v6)
        return rng.randint((a >> (128 - bits)) + 1, b >> (128 - bits))


NETS = [Net(json.loads(line)) for path in (os.path.join(SHARED, "scenarios", "networks.jsonl"), os.path.join(HERE, os.pardir, "world", "networks.jsonl")) for line in open(path)]


def find(*kinds, country=None, abroad=None, unlike=(), six=False):
    """Networks of these kinds: of a country, or not of `abroad`, without the numbers in `unlike`, with IPv6 if `six`."""
    return [n for n in NETS if n.kind in kinds and (country is None or n.country == country) and n.country != abroad and n.asn not in unlike and (n.v6 or not six)]


class Machines:
    """Servers, or lines of an office, with lasting addresses; each session is on one of them."""

    def __init__(self, rng, net, n=1, six=False):
        self.nets, self.net = [net], net
        self.ips = [net.ip6(rng) if six and net.v6 else net.ip(rng) for _ in range(n)]

    def pick(self, rng, t, session):
        return self.ips[session % len(self.ips)]


class NatPool(Machines):
    """Many desks behind a handful of neighbouring addresses: each call leaves by any of them."""

    def __init__(self, rng, net, n):
        self.nets, self.net, self.ips = [net], net, net.block(rng, n)

    def pick(self, rng, t, session):
        return rng.choice(self.ips)


class Functions:
    """Functions of a cloud: an address for some minutes, out of all that it has."""

    def __init__(self, rng, net, at_once=6):
        self.nets, self.net, self.at_once, self.salt = [net], net, at_once, rng.getrandbits(40)
        self.made = {}

    def pick(self, rng, t, session):
        k = (int(t // 900), session % self.at_once)
        if k not in self.made:
            if len(self.made) > 400:
                self.made.clear()
            self.made[k] = self.net.ip(rng)
        return self.made[k]


class Crowd:
    """Telephones and homes, each with its address until the provider gives it another; carriers put many behind one."""

    def __init__(self, rng, nets, size, six=0.3):
        self.nets, self.six, self.gates = nets, six, {}
        self.ips = [self.line(rng) for _ in range(size)]

    def line(self, rng):
        n = rng.choice(self.nets)
        if n.kind == "mobile":
            gates = self.gates.setdefault(id(n), [n.ip(rng) for _ in range(48)])
            return rng.choice(gates) if rng.random() < .7 or not n.v6 else n.ip6(rng)
        return n.ip6(rng) if n.v6 and rng.random() < self.six else n.ip(rng)

    def pick(self, rng, t, session):
        i = int(len(self.ips) * ((session % 65521) / 65521) ** 1.7)
        if session & 0x70000 == 0 and rng.random() < .5:  # a new lease, a new place or a new user
            self.ips[i] = self.line(rng)
        return self.ips[i]


class Sites:
    """Shops with a line each. `open` may grow."""

    def __init__(self, rng, nets, n):
        self.nets, self.open = nets, [rng.choice(nets).ip(rng) for _ in range(n)]

    def pick(self, rng, t, session):
        return self.open[session % len(self.open)]


class Proxies:
    """Bought by the request: another address every `per` calls or so."""

    def __init__(self, nets, per=1):
        self.nets, self.per, self.left, self.ip = nets, per, 0, ""

    def pick(self, rng, t, session):
        if self.left < 1:
            n = rng.choice(self.nets)
            self.ip, self.left = n.ip6(rng) if n.v6 and rng.random() < .3 else n.ip(rng), rng.randint(1, 2 * self.per - 1)
        self.left -= 1
        return self.ip


class Both:
    """A share of the sessions here, the others there."""

    def __init__(self, share, here, there):
        self.share, self.here, self.there, self.nets = share, here, there, here.nets + there.nets

    def pick(self, rng, t, session):
        return (self.here if session * 2654435761 % 1000 < 1000 * self.share else self.there).pick(rng, t, session)
