"""What can be asked for: fourteen products of API companies, spelt anew by each seed."""
import hashlib

# name -> (method, path, weight, bytes out, milliseconds, bytes in, unit). A weight of 0: nobody's daily business. "item" is an object, "list" a page of them.
PRODUCTS = {
    "maps": (["places", "poi", "venues"], {
        "geo": ("GET", "/geocode?q={w}", 30, 1600, 34, 0), "rev": ("GET", "/reverse?lat={lat}&lon={lon}", 18, 900, 22, 0), "tile": ("GET", "/tiles/{z}.png", 40, 21000, 9, 0),
        "item": ("GET", "/{noun}/{id}", 10, 2600, 19, 0), "list": ("GET", "/{noun}?page={n}", 3, 31000, 80, 0), "dir": ("GET", "/directions?from={lat},{lon}&to={w}", 10, 16000, 110, 0),
        "dear": ("POST", "/matrix", 3, 24000, 380, 2600)}),
    "pay": (["payments", "charges", "payment_intents"], {
        "make": ("POST", "/{noun}", 20, 1500, 410, 720), "confirm": ("POST", "/{noun}/{id}/confirm", 18, 1700, 690, 240), "item": ("GET", "/{noun}/{id}", 26, 1600, 18, 0),
        "list": ("GET", "/{noun}?limit=100&after={id}", 5, 92000, 140, 0), "cust": ("GET", "/customers/{id}", 12, 1900, 16, 0), "refund": ("POST", "/refunds", 1, 800, 320, 210),
        "token": ("POST", "/tokens", 6, 700, 60, 340), "balance": ("GET", "/balance", 2, 400, 12, 0), "payout": ("POST", "/payouts", 0, 700, 200, 240)}),
    "sms": (["messages", "texts", "sms"], {
        "make": ("POST", "/{noun}", 34, 520, 70, 330, "segments"), "item": ("GET", "/{noun}/{id}", 16, 640, 12, 0), "list": ("GET", "/{noun}?page={n}", 3, 26000, 90, 0),
        "otp": ("POST", "/verifications", 14, 410, 95, 190, "segments"), "check": ("POST", "/verifications/check", 13, 330, 26, 160), "lookup": ("GET", "/lookups/{phone}", 3, 480, 55, 0),
        "dear": ("POST", "/calls", 2, 700, 130, 500), "balance": ("GET", "/balance", 1, 140, 8, 0)}),
    "llm": (["responses", "chat", "generate"], {
        "make": ("POST", "/{noun}", 40, 4200, 3100, 5200, "tokens"), "embed": ("POST", "/embeddings", 18, 13000, 90, 2600, "input"), "item": ("GET", "/batches/{id}", 4, 700, 14, 0),
        "list": ("GET", "/files?page={n}", 1, 6000, 24, 0), "models": ("GET", "/models", 1, 3600, 9, 0), "dear": ("POST", "/{noun}/large", 0, 5600, 7800, 8200, "tokens"),
        "image": ("POST", "/images", 2, 1800, 9000, 700, "images")}),
    "mail": (["mail", "emails", "transmissions"], {
        "make": ("POST", "/{noun}/send", 46, 150, 48, 15000, "messages"), "item": ("GET", "/contacts/{id}", 8, 1300, 14, 0), "list": ("GET", "/contacts?page={n}", 2, 44000, 120, 0),
        "edit": ("PUT", "/contacts/{id}", 6, 400, 30, 420), "bounces": ("GET", "/suppressions?after={id}", 4, 9000, 40, 0), "stats": ("GET", "/stats?day={day}", 3, 5200, 60, 0),
        "sender": ("POST", "/senders", 0, 500, 80, 300)}),
    "weather": (["stations", "sensors", "sites"], {
        "now": ("GET", "/current?lat={lat}&lon={lon}", 40, 1500, 14, 0), "fc": ("GET", "/forecast?lat={lat}&lon={lon}", 30, 14000, 28, 0), "item": ("GET", "/{noun}/{id}", 10, 1100, 12, 0),
        "list": ("GET", "/{noun}?page={n}", 2, 36000, 70, 0), "dear": ("GET", "/history?lat={lat}&lon={lon}&day={day}", 4, 68000, 420, 0), "alerts": ("GET", "/alerts?area={w}", 8, 2600, 16, 0)}),
    "kyc": (["applicants", "subjects", "identities"], {
        "make": ("POST", "/{noun}", 10, 900, 90, 1200), "item": ("GET", "/{noun}/{id}", 22, 2100, 20, 0), "list": ("GET", "/{noun}?page={n}", 3, 52000, 130, 0),
        "check": ("POST", "/checks", 10, 1100, 900, 620, "checks"), "got": ("GET", "/checks/{id}", 26, 1900, 18, 0), "upload": ("POST", "/documents", 9, 600, 480, 1600000),
        "doc": ("GET", "/{noun}/{id}/document", 2, 900000, 160, 0)}),
    "ads": (["campaigns", "adsets", "lineitems"], {
        "item": ("GET", "/{noun}/{id}", 20, 2400, 28, 0), "list": ("GET", "/{noun}?cursor={id}", 6, 48000, 130, 0), "insight": ("GET", "/{noun}/{id}/insights?day={day}", 30, 9000, 210, 0),
        "conv": ("POST", "/conversions", 36, 120, 11, 900), "edit": ("PATCH", "/{noun}/{id}", 5, 700, 45, 380), "aud": ("GET", "/audiences/{id}", 4, 5200, 50, 0), "del": ("DELETE", "/{noun}/{id}", .2, 0, 30, 0)}),
    "iot": (["devices", "things", "meters"], {
        "ingest": ("POST", "/ingest/{id}", 60, 40, 7, 640, "points"), "shadow": ("PUT", "/{noun}/{id}/shadow", 14, 300, 13, 420), "cmd": ("GET", "/{noun}/{id}/commands", 24, 110, 8, 0),
        "item": ("GET", "/{noun}/{id}", 6, 1500, 14, 0), "list": ("GET", "/{noun}?page={n}", 1, 42000, 90, 0), "send": ("POST", "/{noun}/{id}/commands", 1, 260, 40, 240), "del": ("DELETE", "/{noun}/{id}", .1, 0, 30, 0)}),
    "shop": (["products", "articles", "skus"], {
        "item": ("GET", "/{noun}/{id}", 40, 5200, 22, 0), "find": ("GET", "/search?q={w}", 16, 15000, 85, 0), "list": ("GET", "/{noun}?page={n}", 4, 64000, 140, 0), "stock": ("GET", "/inventory/{id}", 18, 420, 9, 0),
        "edit": ("PUT", "/inventory/{id}", 8, 200, 24, 160), "make": ("POST", "/orders", 4, 1400, 220, 1100), "order": ("GET", "/orders/{id}", 10, 2100, 18, 0), "del": ("DELETE", "/{noun}/{id}", .2, 0, 26, 0)}),
    "track": (["shipments", "parcels", "consignments"], {
        "item": ("GET", "/{noun}/{id}", 44, 2200, 20, 0), "make": ("POST", "/{noun}", 8, 2600, 310, 1300, "labels"), "label": ("GET", "/{noun}/{id}/label.pdf", 8, 62000, 90, 0), "rates": ("POST", "/rates", 10, 3300, 420, 700),
        "list": ("GET", "/{noun}?page={n}", 3, 58000, 110, 0), "pickup": ("POST", "/pickups", 1, 600, 140, 420)}),
    "market": (["quotes", "ticks", "prices"], {
        "item": ("GET", "/{noun}/{sym}", 50, 520, 6, 0), "bars": ("GET", "/bars/{sym}?day={day}", 14, 46000, 60, 0), "dear": ("GET", "/options/{sym}", 6, 110000, 180, 0), "news": ("GET", "/news?q={w}", 5, 18000, 70, 0),
        "list": ("GET", "/tickers?page={n}", 1, 64000, 90, 0)}),
    "conv": (["conversions", "tasks", "jobs"], {
        "make": ("POST", "/{noun}", 26, 700, 260, 380000, "pages"), "item": ("GET", "/{noun}/{id}", 50, 620, 10, 0), "file": ("GET", "/files/{id}", 22, 420000, 140, 0), "list": ("GET", "/files?page={n}", 2, 22000, 60, 0),
        "url": ("POST", "/{noun}/from-url", 3, 800, 900, 300, "pages"), "del": ("DELETE", "/files/{id}", 6, 0, 20, 0)}),
    "crm": (["contacts", "people", "leads"], {
        "item": ("GET", "/{noun}/{id}", 30, 2500, 22, 0), "list": ("GET", "/{noun}?after={id}&limit=100", 5, 120000, 160, 0), "edit": ("PATCH", "/{noun}/{id}", 10, 900, 40, 420), "deal": ("GET", "/deals/{id}", 16, 1800, 24, 0),
        "note": ("POST", "/notes", 9, 500, 36, 900), "find": ("POST", "/{noun}/search", 10, 14000, 150, 260), "make": ("POST", "/{noun}", 4, 1100, 50, 700), "dear": ("GET", "/exports/{id}", .3, 2400000, 1900, 0),
        "del": ("DELETE", "/{noun}/{id}", .2, 0, 30, 0)}),
}
ACCOUNT = {"me": ("GET", "/{acct}", 0, 900, 10, 0), "members": ("GET", "/{acct}/members", 0, 3800, 18, 0), "keys": ("GET", "/{acct}/keys", 0, 1900, 14, 0), "newkey": ("POST", "/{acct}/keys", 0, 700, 60, 190),
           "usage": ("GET", "/{acct}/usage?day={day}", 0, 4200, 60, 0), "hooks": ("GET", "/{hook}", 0, 1500, 14, 0), "hookset": ("PATCH", "/{hook}/{k}", 0, 520, 30, 260), "hooknew": ("POST", "/{hook}", 0, 520, 34, 280),
           "bank": ("PUT", "/{acct}/bank", 0, 600, 90, 320), "audit": ("GET", "/{acct}/audit?page={n}", 0, 21000, 70, 0), "bill": ("GET", "/{acct}/invoices", 0, 12000, 40, 0)}
SYLLABLES = "ka lo mi ver ta no ris bel du san tor el vi gra pon sel mar ix ju fen ol ard wen zu pri cor hal nex lum bo".split()


def word(rng, n=2):
    return "".join(rng.choice(SYLLABLES) for _ in range(n))


class Platform:
    """The names of one seed: hosts, versions, nouns, the spelling of ids, the tools of the time."""

    def __init__(self, rng):
        self.domain = word(rng, 3) + rng.choice([".com", ".io", ".dev", ".net"])
        self.products = {}
        acct, hook = rng.choice(["account", "org", "workspace", "tenant", "me"]), rng.choice(["webhooks", "hooks", "endpoints", "callbacks"])
        for name, (nouns, table) in PRODUCTS.items():
            noun, ver = rng.choice(nouns), rng.choice(["", "/v1", "/v2", "/v4", "/api", "/api/v3", "/2026-01"])
            host = rng.choice(["%s.%s", "%s-api.%s"]) % (word(rng, 2), self.domain)
            routes = {k: Route(k, r, lambda p: ver + p.replace("{noun}", noun).replace("{acct}", acct).replace("{hook}", hook)) for k, r in {**table, **ACCOUNT}.items()}
            self.products[name] = Product(name, host, routes, rng.choice(["number", "uuid", "hex", word(rng, 1) + "_"]))

        def v(a, b, c=9):
            return "%d.%d.%d" % (rng.randint(*a), rng.randint(*b), rng.randint(0, c))
        self.tools = ["python-requests/" + v((2, 2), (27, 33)), "python-httpx/" + v((0, 0), (25, 29)), "aiohttp/" + v((3, 3), (8, 13)), "Go-http-client/%s" % rng.choice(["1.1", "2.0"]),
                      "axios/" + v((1, 1), (5, 12)), "node-fetch/" + v((2, 3), (6, 7)), "undici", "okhttp/" + v((4, 5), (9, 12)), "Java-http-client/" + v((17, 23), (0, 0)),
                      "GuzzleHttp/7", "Faraday v" + v((2, 2), (7, 14)), "reqwest/" + v((0, 0), (11, 13)), "RestSharp/" + v((110, 112), (0, 1)), "Apache-HttpClient/" + v((5, 5), (2, 5)),
                      "got (https://github.com/sindresorhus/got)", "libcurl/" + v((8, 8), (1, 12))]
        self.hand = ["curl/" + v((8, 8), (1, 12)), "PostmanRuntime/" + v((7, 7), (36, 48)), "insomnia/" + v((9, 11), (0, 6)), "HTTPie/" + v((3, 3), (2, 4)), "python-requests/" + v((2, 2), (28, 32)),
                     "Wget/1.%d" % rng.randint(20, 25)]
        chrome, fox = rng.randint(128, 142), rng.randint(128, 144)
        self.browsers = ["Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36" % (o, chrome - d)
                         for d in (0, 0, 1) for o in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "Linux; Android 10; K")]
        self.browsers += ["Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0" % (fox, fox), "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"]


class Route:
    def __init__(self, name, row, spell):
        self.name, (self.method, path, self.weight, self.out, self.ms, self.inn) = name, row[:6]
        self.unit, self.path = row[6] if len(row) > 6 else None, spell(path)


class Product:
    def __init__(self, name, host, routes, style):
        self.name, self.host, self.routes, self.style = name, host, routes, style
        self.daily = [r for r in routes.values() if r.weight]


def spell(style, salt, n):
    """The text of object n of a customer. Running numbers are the platform's: other customers' lie between."""
    if style == "number":
        return str(1_000_000 + salt % 8_000_000 + 23 * n + salt % (n + 7) % 19)
    h = hashlib.blake2b(b"%d/%d" % (salt, n), digest_size=16).hexdigest()
    if style == "uuid":
        return "-".join((h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:32]))
    return h[:24] if style == "hex" else style + h[:18]
