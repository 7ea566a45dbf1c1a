import type { Key, KeyStatus } from "./api";
import { reinstate, Skeleton, suspend } from "./alerts";
import type { Question } from "./ask";
import { actor, ago } from "./format";
import type { Resource } from "./live";
import { accountPath, link, type Route } from "./route";

const states: (KeyStatus | "")[] = ["", "active", "suspended", "revoked", "expired"];

interface Props {
  keys: Resource<{ items: Key[]; next_cursor?: string }>;
  counts: Record<string, number> | undefined;
  search: string;
  setSearch: (s: string) => void;
  status: KeyStatus | "";
  setStatus: (s: KeyStatus | "") => void;
  now: number;
  ask: (q: Question) => void;
  mayAct: boolean;
  route: Route;
}

export function Keys({ keys, counts, search, setSearch, status, setStatus, now, ask, mayAct, route }: Props) {
  // What needs a look comes first; otherwise the server's order, newest first.
  const list = keys.data?.items.toSorted((a, b) => Number(b.status === "suspended") - Number(a.status === "suspended"));
  return (
    <section className="keys" aria-labelledby="keys-title">
      <header>
        <h2 id="keys-title">Keys</h2>
        <input type="search" value={search} onChange={(e) => setSearch(e.target.value)} placeholder="Name, id, last four" aria-label="Search keys" maxLength={128} />
        <div className="tabs" role="group" aria-label="State">
          {states.map((s) => (
            <button key={s} aria-pressed={status === s} onClick={() => setStatus(s)}>
              {s || "all"}
              {s && counts?.[s] ? ` ${counts[s]}` : ""}
            </button>
          ))}
        </div>
      </header>
      {keys.failure && <p className="error" role="alert">{keys.failure.message}</p>}
      {!list && !keys.failure && <Skeleton rows={5} />}
      {list?.length === 0 && (
        <p className="empty">
          {search || status ? "No key matches." : <>No keys yet. <code>POST /v1/keys</code> issues one; keys of the gateway's own appear with their first call. See the <a href="/docs">API</a>.</>}
        </p>
      )}
      {list && list.length > 0 && (
        <div className="scroll">
          <table>
            <thead>
              <tr><th>Key</th><th>Account</th><th>State</th><th>Since</th><th><span className="hidden">Actions</span></th></tr>
            </thead>
            <tbody>
              {list.map((k) => (
                <tr key={k.id} data-key={k.id} className={k.status}>
                  <td>
                    <b>{k.name || k.id}</b>
                    <code className="muted">{k.prefix ? `${k.prefix}…${k.last4 ?? ""}` : k.id}</code>
                  </td>
                  <td>
                    {k.account_id && <a {...link(route, accountPath(k.account_id))}>{k.account_id}</a>}
                    {k.account_suspension && (
                      <>
                        <span className="pill suspend" title={`by ${actor(k.account_suspension.actor)}`}>account suspended</span>
                        {k.account_suspension.reason && <span className="reason" title={k.account_suspension.reason}>{k.account_suspension.reason}</span>}
                      </>
                    )}
                  </td>
                  <td>
                    <span className={`dot ${k.status}`} /> {k.status}
                    {k.quarantines?.length ? <span className="pill quarantine">quarantine</span> : null}
                    {k.status !== "active" && k.status_reason && <span className="reason" title={k.status_reason}>{k.status_reason}</span>}
                  </td>
                  <td title={k.status_changed_at ?? k.created_at}>
                    {ago(k.status_changed_at ?? k.created_at, now)}
                    {k.status !== "active" && k.status_actor && <span className="muted"> {actor(k.status_actor)}</span>}
                  </td>
                  <td className="end">
                    {mayAct && k.status === "active" && <button className="quiet" onClick={() => ask(suspend(k))}>Suspend</button>}
                    {mayAct && k.status === "suspended" && <button className="quiet" onClick={() => ask(reinstate(k))}>Reinstate</button>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {keys.data?.next_cursor && <p className="muted more">The newest {list?.length} are shown; search for the others.</p>}
    </section>
  );
}
