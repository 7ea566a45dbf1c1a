"""What can be asked for: eleven services, how each spells its objects, and what an answer looks like in the log."""
import hashlib

# route -> (method, path, weight, bytes out, milliseconds, bytes in, status when all is well, unit, share of 304). Weight 0: nobody's daily business.
SERVICES = {
    "sign": ("ulid", {
        "make": ("POST", "/envelopes", 10, 1400, 220, 210000, 201, "envelopes"), "item": ("GET", "/envelopes/{id}", 30, 2300, 18), "send": ("POST", "/envelopes/{id}/send", 9, 240, 90, 160, 202),
        "file": ("GET", "/envelopes/{id}/signed.pdf", 9, 240000, 130), "list": ("GET", "/envelopes?since={day}&cursor={n}", 3, 38000, 110), "edit": ("POST", "/envelopes/{id}/reminders", 4, 120, 40, 90, 204)}),
    "registry": ("slug", {
        "item": ("GET", "/-/{id}", 40, 32000, 12, 0, 200, None, .6), "file": ("GET", "/-/{id}/{k}.tgz", 24, 310000, 60, 0, 200, None, .2), "publish": ("PUT", "/-/{id}", 1, 300, 400, 420000, 201),
        "find": ("GET", "/-/search?text={w}&from={n}", 3, 15000, 45), "advise": ("POST", "/-/advisories", 6, 2100, 30, 4000, 200)}),
    "vision": ("pred", {
        "make": ("POST", "/predictions", 12, 900, 60, 1800, 202, "gpu_ms"), "item": ("GET", "/predictions/{id}", 30, 700, 9), "file": ("GET", "/outputs/{id}/0", 9, 900000, 70),
        "list": ("GET", "/predictions?cursor={n}", 1, 21000, 60), "models": ("GET", "/models", 1, 5200, 14)}),
    "dns": ("hex", {
        "item": ("GET", "/zones/{id}", 12, 900, 11), "list": ("GET", "/zones?page={n}", 3, 16000, 40), "records": ("GET", "/zones/{id}/records", 20, 7400, 20), "edit": ("PATCH", "/zones/{id}/records/{k}", 8, 420, 60, 210),
        "make": ("POST", "/zones/{id}/records", 6, 430, 70, 230, 201), "check": ("GET", "/zones/{id}/propagation", 24, 260, 8, 0, 200, None, .3)}),
    "bank": ("iban", {
        "item": ("GET", "/accounts/{id}/balances", 30, 640, 70), "moves": ("GET", "/accounts/{id}/transactions?from={day}", 24, 26000, 240), "consent": ("GET", "/consents/{k}", 8, 700, 14),
        "make": ("POST", "/payments", 4, 900, 310, 620, 201), "paid": ("GET", "/payments/{k}", 10, 760, 16), "list": ("GET", "/accounts?page={n}", 2, 14000, 60)}),
    "records": ("base62", {
        "item": ("GET", "/records/{id}", 34, 3400, 30), "query": ("GET", "/query?q={w}", 16, 18000, 120), "edit": ("PATCH", "/records/{id}", 12, 0, 60, 700, 204), "make": ("POST", "/records", 5, 300, 80, 1100, 201),
        "list": ("GET", "/recent?page={n}", 3, 24000, 60), "job": ("POST", "/bulk/jobs", 0, 600, 50, 400, 202), "jobat": ("GET", "/bulk/jobs/{k}", 0, 500, 9), "rows": ("GET", "/bulk/jobs/{k}/rows?locator={n}", 0, 2400000, 900),
        "jobdel": ("DELETE", "/bulk/jobs/{k}", 0, 0, 20, 0, 204)}),
    "fleet": ("vin", {
        "make": ("POST", "/vehicles/{id}/telemetry", 60, 30, 8, 900, 202, "points"), "item": ("GET", "/vehicles('{id}')", 14, 1700, 13), "trips": ("GET", "/vehicles('{id}')/trips?$skip={n}", 6, 42000, 110),
        "list": ("GET", "/vehicles?$skip={n}", 2, 56000, 100), "geo": ("GET", "/geofences", 4, 8200, 15, 0, 200, None, .7)}),
    "seats": ("slug", {
        "item": ("GET", "/events/{id}", 20, 4100, 15, 0, 200, None, .4), "map": ("GET", "/events/{id}/seats", 30, 41000, 35, 0, 200, None, .3), "hold": ("POST", "/events/{id}/holds", 8, 400, 60, 220, 201),
        "drop": ("DELETE", "/holds/{k}", 2, 0, 20, 0, 204), "make": ("POST", "/orders", 5, 1500, 420, 900, 201, "orders"), "list": ("GET", "/events?page={n}", 4, 30000, 50, 0, 200, None, .2)}),
    "points": ("luhn", {
        "item": ("GET", "/cards/{id}", 30, 520, 13), "make": ("POST", "/cards/{id}/points", 14, 260, 40, 300, 201), "offers": ("GET", "/offers?store={k}", 20, 9000, 18, 0, 200, None, .4), "burn": ("POST", "/cards/{id}/vouchers", 2, 420, 70, 180, 201),
        "match": ("POST", "/contacts/match", 2, 300, 40, 2400, 200)}),
    "desk": ("ticket", {
        "item": ("GET", "/tickets/{id}", 30, 5200, 26), "list": ("GET", "/tickets?view={w}&page={n}", 8, 26000, 70), "note": ("POST", "/tickets/{id}/notes", 10, 500, 50, 1100, 201), "edit": ("PATCH", "/tickets/{id}", 10, 900, 45, 300),
        "people": ("GET", "/people/{k}", 10, 1300, 15), "tables": ("GET", "/data/tables", 0, 3100, 20), "rows": ("GET", "/data/{w}/rows?offset={n}", 0, 180000, 160)}),
    "assets": ("tag", {
        "item": ("GET", "/assets/{id}", 34, 1500, 40), "cover": ("GET", "/assets/{id}/entitlements", 26, 2600, 70), "parts": ("GET", "/assets/{id}/parts", 8, 14000, 90), "make": ("POST", "/cases", 3, 900, 200, 2600, 201), "case": ("GET", "/cases/{k}", 14, 2200, 24),
        "list": ("GET", "/cases?page={n}", 2, 30000, 80)}),
}
ACCOUNT = {"me": ("GET", "/me", 0, 420, 7), "keys": ("GET", "/tokens", 0, 1800, 14), "newkey": ("POST", "/tokens", 0, 600, 50, 160, 201), "members": ("GET", "/members", 0, 5400, 20), "secrets": ("GET", "/settings/secrets", 0, 2200, 22),
           "hooks": ("GET", "/subscriptions", 0, 1400, 14), "audit": ("GET", "/audit?page={n}", 0, 24000, 60), "odd": ("GET", "/{raw}", 0, 300, 5)}
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PARTS = "am bor cre dul eth fir gos hel ing jur kel lam mor nev oru pis qua ren sol tuv".split()


def word(rng, n=2):
    return "".join(rng.choice(PARTS) for _ in range(n))


def digits(n, base, width):
    out = ""
    for _ in range(width):
        out, n = base[n % len(base)] + out, n // len(base)
    return out


def spell(style, salt, n):
    """The text of object n of the customer with this salt; n may run beyond what the customer has. Running numbers are the platform's: other customers' lie between."""
    h = int.from_bytes(hashlib.blake2b(b"%d:%d" % (salt, n), digest_size=16).digest(), "big")
    running = salt % 40_000_000 + 17 * n + h % 11
    if style == "ulid":
        return "01" + digits(31_000_000_000 + (salt % 997) * 8_000_000 + n * 61_000 + h % 50_000, ALPHABET, 8) + digits(h, ALPHABET, 16)
    if style == "slug":
        return "%s-%s%s" % (PARTS[salt % 20] + PARTS[h % 20], PARTS[h // 20 % 20], PARTS[h // 400 % 20] + ("" if n < 60 else str(n)))
    if style == "pred":
        return digits(h, "abcdefghijkmnpqrstuvwxyz23456789", 24)
    if style == "base62":
        return "003Q" + digits(running, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 11) + "AAB"
    if style == "luhn":
        number = "604%012d" % (running * 3)
        total = sum(int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(number))
        return number + str(-total % 10)
    if style == "iban":
        return "DE%02d50010517%010d" % (h % 90 + 10, running)
    if style == "vin":
        return "W%s%s%06d" % (digits(salt, ALPHABET, 6), digits(h % 32, ALPHABET, 1) + "4P5L", running % 1_000_000)
    return {"ticket": "SUP-%d" % (12000 + n), "tag": digits(h, ALPHABET, 7), "hex": "%032x" % h}[style]


class Route:
    def __init__(self, name, row):
        row = row + (0, 200, None, 0)[len(row) - 5:]
        self.name, (self.method, self.path, self.weight, self.out, self.ms, self.inn, self.fine, self.unit, self.fresh) = name, row


class Service:
    def __init__(self, name, rng):
        self.name, (self.style, table) = name, SERVICES[name]
        self.routes = {k: Route(k, r) for k, r in {**table, **ACCOUNT}.items()}
        self.host, self.base = rng.choice(["%s.%s.app", "api.%s-%s.com", "%s.%s.tech"]) % (word(rng), word(rng, 3)), rng.choice(["", "/r/3", "/public", "/v0.9", "/2025-10"])
        self.daily = [n for n, r in self.routes.items() if r.weight]


class Things:
    """A customer's objects. Few are asked for daily; every day some are new, and the new are asked for most."""

    def __init__(self, rng, style, n):
        self.style, self.salt, self.n, self.grow, self.sharp = style, rng.getrandbits(44), n, n * rng.uniform(.002, .03), rng.uniform(1.5, 3)
        self.words = [word(rng, 2) for _ in range(rng.randint(6, 60))]
        self.odds = [rng.randrange(n) for _ in range(max(5, n // 30))]

    def name(self, i):
        return spell(self.style, self.salt, i)

    def pick(self, rng, t):
        if rng.random() < .4:
            return self.name(rng.choice(self.odds))
        n = self.n + int(self.grow * t / 86400)
        return self.name(n - 1 - int(n * rng.random() ** self.sharp * .25))

    def seldom(self, rng):
        return self.name(rng.randrange(int(self.n * .7)))
