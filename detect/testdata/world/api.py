"""What can be asked for: six products in different styles, their objects, and what one call of a client looks like."""
import uuid
from collections import namedtuple

# method, path, weight, mean bytes, mean ms, unit (name and mean of one call, or None), what it is:
#   get     one object (in the path, or in the body of a procedure call)
#   list    a page of objects
#   query   a question without objects
#   write   makes or changes something
#   bulk    much at once
#   dear    what costs most
Call = namedtuple("Call", "method path weight bytes ms unit role")

PRODUCTS = {
    "shop": ("store-api.northwind-trade.io", [  # REST with running numbers, objects belong to one customer
        Call("GET", "/2025-07/orders/{num}.json", 20, 2600, 31, None, "get"), Call("GET", "/2025-07/orders.json?limit=50&page_info={cursor}", 9, 52000, 190, None, "list"),
        Call("GET", "/2025-07/customers/{num}.json", 12, 1400, 22, None, "get"), Call("GET", "/2025-07/products/{num}/variants.json", 7, 7100, 48, None, "get"),
        Call("POST", "/2025-07/orders.json", 6, 2700, 140, None, "write"), Call("PUT", "/2025-07/inventory_levels/{num}.json", 11, 320, 35, None, "write"),
        Call("GET", "/2025-07/customers.json?page_info={cursor}", 3, 64000, 240, None, "list"), Call("POST", "/2025-07/bulk_operations.json", 1, 410000, 3100, None, "bulk"),
        Call("GET", "/2025-07/shop.json", 2, 900, 9, None, "query"), Call("DELETE", "/2025-07/webhooks/{num}.json", 1, 20, 12, None, "write")]),
    "crm": ("eu1.contacts.example-suite.net", [  # REST with UUIDs
        Call("GET", "/crm/v3/objects/contacts/{uuid}", 22, 1900, 27, None, "get"), Call("POST", "/crm/v3/objects/contacts/search", 10, 21000, 160, None, "list"),
        Call("PATCH", "/crm/v3/objects/contacts/{uuid}", 9, 1800, 44, None, "write"), Call("GET", "/crm/v3/objects/deals/{uuid}/associations", 6, 3000, 51, None, "get"),
        Call("POST", "/crm/v3/objects/contacts/batch/read", 3, 95000, 420, None, "bulk"), Call("POST", "/crm/v3/timeline/events", 10, 150, 18, None, "write"),
        Call("GET", "/crm/v3/objects/contacts?after={cursor}&limit=100", 3, 120000, 330, None, "list"), Call("POST", "/crm/v3/exports/export/async", 1, 1300000, 4200, None, "bulk"),
        Call("GET", "/account-info/v3/details", 1, 400, 10, None, "query")]),
    "atlas": ("places.atlas.test", [  # a public catalogue, objects named by words
        Call("GET", "/guide/{slug}", 20, 14000, 60, None, "get"), Call("GET", "/nearby?lat={real}&lng={real}", 24, 8800, 75, None, "query"),
        Call("GET", "/autocomplete?q={word}", 40, 1100, 14, None, "query"), Call("GET", "/guide/{slug}/photos", 8, 26000, 80, None, "get"),
        Call("GET", "/search?q={word}&page={page}", 12, 31000, 150, None, "list"), Call("GET", "/tiles/{page}/{num}/{num}.pbf", 8, 38000, 25, None, "query")]),
    "graph": ("graph.commonroom.dev", [  # one endpoint for everything
        Call("POST", "/graphql", 80, 5200, 70, None, "get"), Call("POST", "/graphql", 14, 34000, 210, None, "list"), Call("POST", "/graphql", 12, 900, 60, None, "write"),
        Call("GET", "/healthz", 3, 16, 2, None, "query"), Call("POST", "/graphql/persisted", 6, 4100, 40, None, "query")]),
    "rpc": ("rpc.ledger-core.example", [  # procedure calls, objects are in the body
        Call("POST", "/ledger.v2.Accounts/GetBalance", 28, 240, 8, None, "get"), Call("POST", "/ledger.v2.Transfers/List", 8, 18000, 95, None, "list"),
        Call("POST", "/ledger.v2.Transfers/Create", 10, 510, 120, None, "write"), Call("POST", "/ledger.v2.Accounts/Get", 14, 900, 12, None, "get"),
        Call("POST", "/ledger.v2.Statements/Render", 2, 240000, 1900, None, "bulk"), Call("POST", "/identity.v1.Parties/Get", 6, 1600, 15, None, "get"),
        Call("POST", "/identity.v1.Parties/Search", 3, 23000, 180, None, "list"), Call("POST", "/ledger.v2.Batch/Execute", 2, 52000, 600, None, "bulk")]),
    "gen": ("inference.mulberry.cloud", [  # models, paid by what goes through them
        Call("POST", "/api/generate/small", 40, 2900, 1100, ("tokens", 900), "query"), Call("POST", "/api/generate/large", 8, 4100, 6200, ("tokens", 2600), "dear"),
        Call("POST", "/api/embed", 24, 12000, 90, ("tokens", 350), "query"), Call("POST", "/api/image", 4, 900000, 8500, ("credits", 40), "dear"),
        Call("GET", "/api/models", 2, 5200, 9, None, "query"), Call("GET", "/api/usage", 1, 1300, 14, None, "query")]),
}
HIDDEN = {  # what only the platform's own people call, and what only another plan opens
    "shop": ["GET /2025-07/access_scopes.json", "GET /2025-07/users.json", "GET /2025-07/payouts.json", "POST /2025-07/gift_cards.json"],
    "crm": ["GET /settings/v3/users", "GET /settings/v3/users/roles", "GET /oauth/v1/tokens", "DELETE /crm/v3/objects/contacts"],
    "atlas": ["GET /internal/metrics", "GET /partner/leads", "GET /.env", "GET /v0/dump"],
    "graph": ["GET /graphql/schema", "POST /admin/graphql", "GET /debug/vars", "GET /console"],
    "rpc": ["POST /admin.v1.Keys/List", "POST /admin.v1.Limits/Set", "POST /grpc.reflection.v1.ServerReflection/Info", "POST /identity.v1.Parties/Delete"],
    "gen": ["GET /api/organization/keys", "GET /api/files", "POST /api/fine-tunes", "GET /api/admin/tenants"],
}
WORDS = "amber birch canal delta ember fjord grove harbor inlet juniper kiln lagoon meadow north oak pier quarry river stone tower upland valley willow yard zephyr".split()


def spell(style, n):
    """The text of object number n."""
    if style == "num":
        return str(n)
    h = n * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    if style == "uuid":
        return str(uuid.UUID(int=h << 64 | (h * 31 + 7) & (1 << 64) - 1, version=4))
    return "-".join(WORDS[(h >> s & 255) % len(WORDS)] for s in (3, 14, 27, 41))


class Objects:
    """The objects of one customer, numbers of a platform that counts for all its customers; a few are asked for all the time."""

    def __init__(self, rng, n, top):
        self.own = sorted(rng.sample(range(1, top), n))
        self.order = list(range(n))
        rng.shuffle(self.order)
        self.top, self.skew = top, rng.uniform(1.2, 4)

    def favourite(self, rng):
        return self.own[self.order[min(int(len(self.own) * rng.random() ** self.skew), len(self.own) - 1)]]


class Use:
    """An ordinary client: which calls of a product it makes, of which objects, and how it errs."""

    def __init__(self, rng, product, calls, objects, errors, size=1.0, spend=1.0):
        self.product, self.calls, self.objects, self.errors, self.size, self.spend = product, calls, objects, errors, size, spend
        self.weights = [c.weight * rng.lognormvariate(0, 0.6) for c in calls]

    def draw(self, rng, t, session):
        c = rng.choices(self.calls, self.weights)[0]
        return answer(rng, self, c, self.objects.favourite(rng))


def answer(rng, use, c, n, status=None, pages=1.0):
    """One call of `c` for object n: (host, method, path, status, bytes out, ms, units)."""
    path = c.path
    if "{" in path:
        for style in ("num", "uuid", "slug"):
            path = path.replace("{%s}" % style, spell(style, n))
        if "{" in path:
            path = path.replace("{cursor}", "%x" % (n * 2654435761 & 0xffffffffffff)).replace("{page}", str(1 + n % 17)).replace("{word}", WORDS[n % len(WORDS)][:1 + n % 7])
            while "{real}" in path:
                path = path.replace("{real}", "%.4f" % rng.uniform(-60, 60), 1)
    if status is None:
        status, r = 201 if c.method == "POST" and c.role == "write" else 200, rng.random()
        for code, p in use.errors:
            if r < p:
                status = code
                break
            r -= p
    ok = status < 400
    size = int(c.bytes * use.size * pages * rng.lognormvariate(-0.25, 0.7)) if ok else rng.randint(40, 400)
    units = {c.unit[0]: max(1, round(c.unit[1] * use.spend * rng.lognormvariate(-0.4, 0.9)))} if c.unit and ok else None
    return PRODUCTS[use.product][0], c.method, path, status, size, c.ms * rng.lognormvariate(-0.1, 0.5), units


class Walk:
    """Goes through objects: next_object(rng) gives (number, exists)."""

    def __init__(self, use, calls, next_object, miss=404, pages=1.0):
        self.use, self.calls, self.next, self.miss, self.pages, self.product = use, calls, next_object, miss, pages, use.product

    def draw(self, rng, t, session):
        n, there = self.next(rng)
        return answer(rng, self.use, rng.choice(self.calls), n, None if there else self.miss, self.pages)


class Probe:
    """Tries what there is, allowed or not."""

    def __init__(self, rng, use, denied=0.6):
        self.use, self.product, self.denied = use, use.product, denied

    def draw(self, rng, t, session):
        r = rng.random()
        if r < self.denied:
            method, path = rng.choice(HIDDEN[self.product]).split(" ")
            return PRODUCTS[self.product][0], method, path, rng.choice([403, 403, 404, 401]), rng.randint(40, 300), rng.lognormvariate(2, 0.4), None
        c = rng.choice(PRODUCTS[self.product][1])
        return answer(rng, self.use, c, rng.randint(1, self.use.objects.top), rng.choice([200, 200, 404, 403]) if c.role != "query" else 200)


class Failing:
    """Work of which a share is answered with an error, from some time on."""

    def __init__(self, work, status, share):
        self.work, self.status, self.share, self.product = work, status, share, work.product

    def draw(self, rng, t, session):
        host, method, path, status, size, ms, units = self.work.draw(rng, t, session)
        if rng.random() < (self.share(t, session) if callable(self.share) else self.share):
            return host, method, path, self.status, rng.randint(40, 300), ms, None
        return host, method, path, status, size, ms, units


def upward(rng, top, hit, step=1):
    """Numbers one after the other; a share of them exists."""
    state = [rng.randint(1, max(2, top - 200_000))]

    def following(r):
        state[0] += r.randint(1, step)
        return state[0], r.random() < hit
    return following


def anywhere(rng, top, hit):
    return lambda r: (r.randint(1, top), r.random() < hit)


def own_in_order(objects, start=0):
    """Every object that the customer has, once, by number."""
    state = [start]

    def following(r):
        state[0] = (state[0] + 1) % len(objects.own)
        return objects.own[state[0]], True
    return following


def pick(product, *roles):
    calls = [c for c in PRODUCTS[product][1] if c.role in roles]
    return calls or PRODUCTS[product][1][:1]
