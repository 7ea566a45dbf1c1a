"""Networks, and the ways in which clients come by their addresses: pick(rng, t, who), where `who` stays the same for one machine, person or run."""
import ipaddress
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("TOLLKEEPER_SHARED") or os.path.join(HERE, *[os.pardir] * 4, "shared")
DAY, HOUR = 86400, 3600
CLOCK = {"US": -6, "CA": -5, "MX": -6, "BR": -3, "GB": 0, "IE": 0, "FR": 1, "DE": 1, "ES": 1, "IT": 1, "NL": 1, "SE": 1, "PL": 1, "CH": 1, "ZA": 2, "TR": 3, "IN": 5.5, "SG": 8, "JP": 9, "KR": 9, "AU": 10}


def number(text):
    return int(ipaddress.ip_address(text))


class Net:
    """An operator's ranges in one country."""

    def __init__(self, line):
        self.asn, self.kind, self.country = line["asn"], {"host": "vps"}.get(line["kind"], line["kind"]), line["country"]
        self.v4 = [tuple(map(number, r)) for r in line.get("ranges") or [x.split("-") for x in line["v4"]]]
        self.v6 = [tuple(map(number, r.split("-"))) for r in line.get("v6", [])]

    def ip(self, rng):
        a, b = rng.choice(self.v4)
        return str(ipaddress.ip_address(rng.randint(a + 4, b - 4)))

    def block(self, rng, n):
        """n neighbours, as a gateway has them."""
        a, b = rng.choice(self.v4)
        at = rng.randint(a + 4, b - n - 4)
        return [str(ipaddress.ip_address(at + i)) for i in range(n)]

    def long(self, rng):
        a, b = rng.choice(self.v6)
        return rng.randint((a >> 64) + 1, b >> 64)


NETS = [Net(json.loads(x)) for p in (os.path.join(SHARED, "scenarios", "networks.jsonl"), os.path.join(HERE, os.pardir, "world", "networks.jsonl")) for x in open(p)]


def find(*kinds, country=None, unlike=(), abroad=None):
    return [n for n in NETS if n.kind in kinds and country in (None, n.country) and n.asn not in unlike and n.country != abroad]


class Line:
    """One or some lasting addresses; a session stays on one."""

    def __init__(self, rng, net, n=1, ips=None):
        self.nets, self.ips = [net], ips or [net.ip(rng) for _ in range(n)]

    def pick(self, rng, t, who):
        return self.ips[who % len(self.ips)]


class Gateway(Line):
    """Everything leaves by any of a few neighbouring addresses."""

    def __init__(self, rng, net, n):
        super().__init__(rng, net, ips=net.block(rng, n))

    def pick(self, rng, t, who):
        return rng.choice(self.ips)


class Nodes:
    """Machines that are taken away at any time; each has an address of its own for some hours."""

    def __init__(self, rng, net, n, hours):
        self.nets, self.n, self.life, self.now = [net], n, hours * HOUR, {}

    def pick(self, rng, t, who):
        ip, until = self.now.get(who % self.n, (None, 0))
        if t > until:
            ip, until = self.nets[0].ip(rng), t + rng.expovariate(1 / self.life)
            self.now[who % self.n] = (ip, until)
        return ip


class Runners:
    """A fresh machine for each run."""

    def __init__(self, nets):
        self.nets, self.made = nets, {}

    def pick(self, rng, t, who):
        if who not in self.made:
            self.made[who] = rng.choice(self.nets).ip(rng)
        return self.made[who]


class People:
    """Users at home and on telephones. Carriers put theirs behind few addresses, which change with each visit; homes keep one for days, or a long prefix."""

    def __init__(self, rng, nets):
        self.nets, self.shared, self.homes = nets, {n.asn: n.block(rng, 48) for n in nets if n.kind == "mobile"}, {}

    def pick(self, rng, t, who):
        net = self.nets[who * 7919 % len(self.nets)]
        if net.asn in self.shared:
            return self.shared[net.asn][(who + int(t / 1500)) % 48]
        at = (who, int((t + who * 977) / (3 * DAY)))
        if at not in self.homes:
            self.homes[at] = str(ipaddress.IPv6Address(net.long(rng) << 64 | rng.getrandbits(64))) if net.v6 and who % 3 == 0 else net.ip(rng)
        return self.homes[at]


class Ring:
    """Other people's lines, rented: another one every call or some."""

    def __init__(self, nets, each=1):
        self.nets, self.each, self.left, self.ip = nets, each, 0, None

    def pick(self, rng, t, who):
        if self.left <= 0:
            self.ip, self.left = rng.choice(self.nets).ip(rng), rng.randint(1, 2 * self.each - 1)
        self.left -= 1
        return self.ip


class Hops:
    """One exit at a time, another every some hours."""

    def __init__(self, rng, nets, hours):
        self.nets, self.hours, self.gates = nets, hours, [Gateway(rng, n, 3) for n in nets]

    def pick(self, rng, t, who):
        return self.gates[int(t / HOUR / self.hours) * 31 % len(self.gates)].pick(rng, t, who)


class Partly:
    """A share of `new` for some of the people, growing with share(t)."""

    def __init__(self, old, new, share):
        self.old, self.new, self.share, self.nets = old, new, share, old.nets

    def pick(self, rng, t, who):
        return (self.new if who * 2654435761 % 1000 < 1000 * self.share(t) else self.old).pick(rng, t, who)
