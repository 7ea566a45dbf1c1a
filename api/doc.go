// Package api is Tollkeeper's REST API and the server of its dashboard.
//
// openapi.yaml comes first: routes, parameters, bodies, roles (x-roles) and documentation are read from it, the server code
// in api/gen is generated from it, and a request is checked against it before a handler sees it. A route without roles
// answers nobody but an admin.
//
// Contract. [New] returns a [Server] whose [Server.Handler] is an http.Handler; listening, TLS and the timeouts of the
// connection belong to the caller: ReadHeaderTimeout 5 s, IdleTimeout 120 s and no WriteTimeout (live events are written
// for as long as the client stays). A body is at most [MaxBodyBytes]; a request that a handler works on for longer than
// its bound gets 503. Handlers never block on a slow reader: live events go through a bounded ring, and a client that falls
// behind is disconnected and counted in tollkeeper_api_events_dropped_total.
//
// What the package does not do: it stores nothing and decides nothing. It asks the domain packages through the small
// interfaces in ports.go. It never logs, stores or repeats a secret: no query values, no bodies, no Authorization header;
// the replay of an idempotent answer leaves the secret out.
package api
