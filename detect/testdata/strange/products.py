"""What can be asked for: twelve products, their objects, and what one call looks like in the log."""
import hashlib

from places import DAY

# host, spelling of ids, routes: method, path, weight, bytes out, milliseconds, bytes in
PRODUCTS = {
    "pay": ("api.lanepay.example", "ulid", [
        ("POST", "/charges", 24, 1400, 420, 800), ("GET", "/charges/{id}", 30, 1500, 22, 0), ("GET", "/charges?limit=100", 8, 88000, 130, 0), ("POST", "/refunds", 2, 700, 300, 300),
        ("GET", "/customers/{id}", 14, 1900, 18, 0), ("GET", "/payouts/{id}", 3, 1100, 25, 0), ("GET", "/events?cursor={id}", 10, 24000, 60, 0), ("POST", "/customers", 4, 900, 55, 600)]),
    "crm": ("crm.hollis.example", "number", [
        ("GET", "/t/{tenant}/contacts/{id}", 40, 2600, 24, 0), ("GET", "/t/{tenant}/contacts?page=1", 12, 46000, 110, 0), ("PATCH", "/t/{tenant}/contacts/{id}", 12, 800, 40, 500),
        ("POST", "/t/{tenant}/notes", 10, 500, 35, 900), ("GET", "/t/{tenant}/deals/{id}", 16, 1900, 26, 0), ("POST", "/t/{tenant}/contacts", 5, 900, 45, 700), ("GET", "/t/{tenant}/search", 8, 9000, 160, 0)]),
    "files": ("storage.kistra.example", "hash", [
        ("GET", "/files/{id}", 40, 480000, 180, 0), ("HEAD", "/files/{id}", 16, 0, 9, 0), ("PUT", "/files/{id}", 14, 200, 240, 450000), ("GET", "/files?prefix=", 8, 60000, 140, 0),
        ("DELETE", "/files/{id}", 2, 0, 30, 0), ("POST", "/links", 6, 400, 14, 200)]),
    "sms": ("sms.turmfalke.example", "number", [
        ("POST", "/2/messages", 50, 400, 70, 380), ("GET", "/2/messages/{id}", 16, 600, 12, 0), ("GET", "/2/balance", 2, 120, 8, 0), ("GET", "/2/numbers", 1, 3000, 20, 0)]),
    "mail": ("mail.posthorn.example", "uuid", [
        ("POST", "/v3/send", 50, 120, 60, 14000), ("GET", "/v3/events?after={id}", 14, 12000, 50, 0), ("GET", "/v3/templates/{id}", 6, 9000, 16, 0), ("GET", "/v3/quota", 1, 160, 7, 0)]),
    "llm": ("llm.orrery.example", "ulid", [
        ("POST", "/v1/messages", 50, 3800, 300, 5200), ("POST", "/v1/embed", 20, 12000, 90, 2400), ("POST", "/v1/rerank", 8, 1800, 140, 9000), ("GET", "/v1/models", 1, 2600, 9, 0)]),
    "graph": ("graph.veranda.example", "uuid", [("POST", "/graphql", 1, 5200, 70, 900)]),
    "geo": ("tiles.meridia.example", "tile", [
        ("GET", "/tiles/{id}.pbf", 60, 26000, 11, 0), ("GET", "/geocode", 18, 1700, 38, 0), ("GET", "/route", 8, 14000, 120, 0), ("GET", "/reverse", 12, 900, 30, 0)]),
    "data": ("query.silo.example", "uuid", [
        ("POST", "/sql", 30, 42000, 900, 1400), ("GET", "/jobs/{id}", 30, 900, 12, 0), ("GET", "/tables/{id}/rows?offset=0", 14, 120000, 260, 0), ("GET", "/tables", 4, 18000, 40, 0)]),
    "cloud": ("control.nimbusso.example", "ulid", [
        ("GET", "/instances", 20, 30000, 120, 0), ("GET", "/instances/{id}", 26, 2800, 40, 0), ("POST", "/instances", 1, 2600, 900, 1800), ("DELETE", "/instances/{id}", 1, 100, 300, 0),
        ("GET", "/metrics/{id}", 30, 9000, 80, 0), ("PUT", "/tags/{id}", 2, 200, 60, 400)]),
    "ident": ("id.trellis.example", "uuid", [
        ("POST", "/verify/send", 16, 300, 130, 260), ("POST", "/verify/check", 15, 240, 30, 220), ("GET", "/users/{id}", 36, 1300, 12, 0), ("POST", "/tokens", 20, 1100, 70, 500), ("PATCH", "/users/{id}", 4, 700, 30, 400)]),
    "vault": ("vault.kammer.example", "word", [("GET", "/secrets/{id}", 40, 900, 14, 0), ("POST", "/leases", 16, 500, 30, 200), ("PUT", "/leases/{id}", 20, 200, 12, 100)]),
    "shop": ("m.basarik.example", "number", [
        ("GET", "/m/home", 20, 36000, 60, 0), ("GET", "/m/products/{id}", 50, 5200, 24, 0), ("GET", "/m/search", 16, 15000, 90, 0), ("POST", "/m/cart", 8, 1200, 40, 300), ("POST", "/m/orders", 2, 1800, 240, 900),
        ("POST", "/m/login", 3, 1500, 120, 260), ("POST", "/m/signup", .6, 1500, 180, 420), ("POST", "/m/promo/redeem", .5, 400, 30, 120), ("POST", "/m/events", 30, 80, 6, 700)]),
    "hooks": ("in.relais.example", "ulid", [("POST", "/in/{id}", 60, 40, 9, 2600), ("GET", "/deliveries/{id}", 6, 1800, 14, 0)]),
}
ACCOUNT = [("GET", "/account", 1, 900, 10, 0), ("GET", "/account/team", 1, 2400, 14, 0), ("GET", "/account/keys", 1, 1800, 12, 0), ("POST", "/account/keys", 1, 700, 60, 200),
           ("DELETE", "/account/keys/{id}", 1, 0, 30, 0), ("PATCH", "/account/email", 1, 300, 50, 160), ("PATCH", "/account/webhooks/{id}", 1, 500, 30, 260), ("GET", "/account/invoices", 1, 9000, 30, 0)]
WORDS = "amber basin cedar delta ember fjord gravel harbor iris jade kelp lotus mesa nectar onyx pine quartz reef slate tundra umber vale willow yarrow".split()


def spell(style, salt, n):
    """The text of object n of a customer: running numbers are the platform's, all else looks random."""
    if style == "number":
        return str(salt % 4_000_000 + 2 * n)
    h = hashlib.blake2b(b"%d/%d" % (salt, n), digest_size=20).hexdigest()
    if style == "uuid":
        return "-".join((h[:8], h[8:12], "4" + h[13:16], "9" + h[17:20], h[20:32]))
    if style == "ulid":
        return "01J" + h[:21].upper() + "XK"
    if style == "tile":  # around the customer's town
        d = int(h[:8], 16)
        return "%d/%d/%d" % (14, salt % 16000 + d % 97, salt // 16000 % 16000 + d // 97 % 97)
    if style == "word":
        return "%s-%s" % (WORDS[int(h[:4], 16) % 24], WORDS[int(h[4:8], 16) % 24]) + ("-%d" % n if n > 20 else "")
    return h


class Things:
    """A customer's objects: new ones every day, the recent ones are asked for most, some favourites always."""

    def __init__(self, rng, style, per_day):
        self.style, self.salt, self.per_day = style, rng.getrandbits(40), max(per_day, .2)
        self.old, self.recent = rng.randint(200, 4000), rng.uniform(8, 120)

    def text(self, n):
        return spell(self.style, self.salt, n)

    def pick(self, rng, t, newest=0):
        n = self.old + int(self.per_day * t / DAY)
        return self.text(max(0, int(rng.expovariate(1 / 25)) if rng.random() < .35 else n - int(rng.expovariate(1 / self.recent))))


def success(method, path):
    """What a call is answered that goes well; questions in a body make nothing."""
    if method == "POST" and path in ("/graphql", "/sql", "/verify/check", "/v1/messages", "/v1/embed", "/v1/rerank"):
        return 200
    return {"POST": 201, "DELETE": 204}.get(method, 200)


def units(product, path, rng, size=1.0, dear=1.0):
    """What the call is billed by, and its cost in millionths of a dollar; None where a call is a call."""
    if product == "llm" and path in ("/v1/messages", "/v1/embed", "/v1/rerank"):
        i = int(rng.lognormvariate(6.4, .9) * size)
        o = int(rng.lognormvariate(5.3, .8) * size) if path == "/v1/messages" else 0
        return {"input_tokens": i, "output_tokens": o, "cost_microusd": int((i * 3 + o * 15) * dear)}
    if product == "sms" and path == "/2/messages":
        n = 1 + (rng.random() < .2)
        return {"segments": n, "cost_microusd": int(n * 7000 * dear)}
    if product == "mail" and path == "/v3/send":
        return {"messages": 1}
    if product == "cloud" and path == "/instances" and dear > 1:
        return {"cost_microusd": int(90_000 * dear)}
    return None


class Work:
    """The calls of one client: routes with weights, its objects, its tenants, its errors (status -> probability)."""

    def __init__(self, rng, product, routes, things, errors, tenants=("main",), size=1.0, dear=1.0, fresh=0.0):
        self.product, self.routes, self.weights = product, routes, [r[2] * rng.lognormvariate(0, .5) for r in routes]
        self.things, self.errors, self.tenants, self.size, self.dear, self.fresh = things, errors, list(tenants), size, dear, fresh

    def like(self, rng, **changes):
        """The same client with some things changed."""
        w = Work(rng, self.product, self.routes, self.things, self.errors, self.tenants, self.size, self.dear, self.fresh)
        w.weights = self.weights
        for k, v in changes.items():
            setattr(w, k, v)
        if "routes" in changes and "weights" not in changes:
            w.weights = [r[2] * rng.lognormvariate(0, .4) for r in w.routes]
        return w

    def draw(self, rng, t, session):
        method, path, _, out, ms, into = rng.choices(self.routes, self.weights)[0]
        if "{" in path:
            path = path.replace("{id}", self.things.pick(rng, t)).replace("{tenant}", self.tenants[session % len(self.tenants)])
        status, r = success(method, path), rng.random()
        for code, p in self.errors.items():
            if r < p:
                status = code
                break
            r -= p
        if method == "GET" and status == 200 and self.fresh and rng.random() < self.fresh:
            status, out = 304, 0
        return call(rng, self.product, method, path, status, out, ms, into, self.size, self.dear)


def call(rng, product, method, path, status, out, ms, into=0, size=1.0, dear=1.0):
    """One call as the log has it: (method, path, status, bytes out, milliseconds, units, bytes in)."""
    ok = status < 400
    u = units(product, path, rng, size, dear) if ok else None
    out = (int(out * (size if u is None else 1) * rng.lognormvariate(-.15, .55)) if out else 0) if ok else rng.randint(70, 300)
    ms = ms * rng.lognormvariate(-.1, .45) * (1 if ok else .6) + (u.get("output_tokens", 0) * 11 if u else 0)
    return method, path, status, out, ms, u, int(into * rng.lognormvariate(-.1, .4)) + 190 + len(path)
