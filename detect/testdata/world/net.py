"""Networks, and the ways in which clients get their addresses from them."""
import ipaddress
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def _range(text):
    a, b = text.split("-")
    return int(ipaddress.ip_address(a)), int(ipaddress.ip_address(b))


class Network:
    def __init__(self, line):
        self.asn, self.kind, self.country = line["asn"], line["kind"], line["country"]
        self.v4, self.v6 = [_range(r) for r in line["v4"]], [_range(r) for r in line.get("v6", [])]

    def ip(self, rng):
        a, b = rng.choice(self.v4)
        return str(ipaddress.ip_address(rng.randint(a + 3, b - 3)))

    def prefix6(self, rng, bits):
        """The number of a /bits inside the network, for v6(); None where it has none."""
        if not self.v6:
            return None
        a, b = rng.choice(self.v6)
        return rng.randint((a >> (128 - bits)) + 1, b >> (128 - bits))


def v6(prefix, bits, rng):
    return str(ipaddress.IPv6Address((prefix << (128 - bits)) | rng.getrandbits(128 - bits)))


ALL = [Network(json.loads(line)) for line in open(os.path.join(HERE, "networks.jsonl"))]


def find(*kinds, country=None, unlike=(), has6=False):
    """Networks of these kinds; `unlike` names network numbers to leave out."""
    return [n for n in ALL if n.kind in kinds and (country is None or n.country == country) and n.asn not in unlike and (n.v6 or not has6)]


class Fixed:
    """Machines that keep their addresses, or an office behind one."""

    def __init__(self, rng, net, n=1):
        self.nets, self.ips = [net], [net.ip(rng) for _ in range(n)]

    def pick(self, rng, t, session):
        return self.ips[session % len(self.ips)]


class Autoscale:
    """Machines that live for some hours. Which ones there are is a function of the time."""

    def __init__(self, rng, net, n, life=9 * 3600):
        self.nets, self.n, self.life, self.salt, self.made = [net], n, life, rng.getrandbits(32), {}

    def pick(self, rng, t, session):
        i = rng.randrange(self.n)
        born = int((t + i * 1777) // (self.life * (1 + i % 5)))
        if self.made.get(i, (None,))[0] != born:
            self.made[i] = (born, self.nets[0].ip(rng))
        return self.made[i][1]


class Ephemeral:
    """Functions in a cloud, or proxies: an address for a few requests, never again. `networks` may be many."""

    def __init__(self, networks, per):
        self.nets, self.per, self.left, self.ip = list(networks), per, 0, ""

    def pick(self, rng, t, session):
        if self.left < 1:
            self.ip, self.left = rng.choice(self.nets).ip(rng), rng.randint(1, 2 * self.per - 1)
        self.left -= 1
        return self.ip


class Home:
    """One person's line: a /64 with changing privacy addresses where the provider has IPv6, else one address; now and then another."""

    def __init__(self, rng, net, renew=0.08):
        self.nets, self.renew, self.day, self.six = [net], renew, None, bool(net.v6) and rng.random() < 0.6
        self.fresh(rng)

    def fresh(self, rng):
        self.prefix = self.nets[0].prefix6(rng, 64) if self.six else None
        self.ip = v6(self.prefix, 64, rng) if self.six else self.nets[0].ip(rng)

    def pick(self, rng, t, session):
        if int(t // 86400) != self.day:
            self.day = int(t // 86400)
            if rng.random() < self.renew:
                self.fresh(rng)
            elif self.six:
                self.ip = v6(self.prefix, 64, rng)
        return self.ip


class Crowd:
    """End users: each session is one of them; some are there every day, others once. Their number may grow."""

    def __init__(self, rng, networks, size, newcomers=0.12):
        self.nets, self.newcomers = list(networks), newcomers
        self.people = [Home(rng, rng.choice(self.nets), 0.15) for _ in range(size)]

    def pick(self, rng, t, session):
        h = (session * 2654435761) % (1 << 32)
        if (h >> 8) % 1000 < self.newcomers * 1000:
            i = h % len(self.people)
            person = self.people[i] = Home(rng, rng.choice(self.nets), 0.15) if h % 3 == 0 else self.people[i]
        else:
            person = self.people[min(int(h % 997 / 997 * h % 1009 / 1009 * len(self.people)), len(self.people) - 1)]
        return person.pick(rng, t, session)


class Swarm6:
    """A hoster's /48, another /64 of it every few requests."""

    def __init__(self, rng, net, per=2):
        self.nets, self.prefix, self.per, self.left, self.ip = [net], net.prefix6(rng, 48), per, 0, ""

    def pick(self, rng, t, session):
        if self.left < 1:
            self.ip, self.left = v6((self.prefix << 16) | rng.getrandbits(16), 64, rng), rng.randint(1, self.per)
        self.left -= 1
        return self.ip


class Mixed:
    """Several sources with weights, one chosen by session."""

    def __init__(self, parts):
        self.parts, self.weights = [p for p, _ in parts], [w for _, w in parts]
        self.nets = [n for p in self.parts for n in p.nets]

    def pick(self, rng, t, session):
        x = (session * 40503 % 65536) / 65536 * sum(self.weights)
        for p, w in zip(self.parts, self.weights):
            if x < w:
                return p.pick(rng, t, session)
            x -= w
        return self.parts[-1].pick(rng, t, session)


def asns(source):
    return {n.asn for n in source.nets}
