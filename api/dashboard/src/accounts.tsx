import { useState, type FormEvent } from "react";
import type { Account } from "./api";
import { Skeleton } from "./alerts";
import { useResource } from "./live";
import { date } from "./money";
import { accountPath, link, type Route } from "./route";

// Accounts lists the customers. An account beyond the first page is opened by its id.
export function Accounts({ route }: { route: Route }) {
  const [search, setSearch] = useState("");
  const accounts = useResource<{ items: Account[]; next_cursor?: string }>("/v1/accounts?limit=200", 10_000);
  const text = search.trim();
  const list = accounts.data?.items.filter((a) => `${a.id} ${a.name}`.toLowerCase().includes(text.toLowerCase()));
  const openById = (e: FormEvent) => {
    e.preventDefault();
    const only = list?.length === 1 ? list[0]?.id : undefined;
    if (text) route.go(accountPath(only ?? text));
  };
  return (
    <section className="keys" aria-labelledby="accounts-title">
      <header>
        <h2 id="accounts-title">Accounts</h2>
        <form className="find" onSubmit={openById}>
          <input type="search" value={search} onChange={(e) => setSearch(e.target.value)} placeholder="Name or id" aria-label="Search accounts" maxLength={128} />
        </form>
      </header>
      {accounts.failure && <p className="error" role="alert">{accounts.failure.message}</p>}
      {!list && !accounts.failure && <Skeleton rows={5} />}
      {list?.length === 0 && (
        <p className="empty">
          {text ? "No account on this page matches; Enter opens the one with exactly this id." : <>No accounts yet. <code>tollkeeper accounts open NAME</code> opens one; so does the first key that is issued for it.</>}
        </p>
      )}
      {list && list.length > 0 && (
        <div className="scroll">
          <table>
            <thead>
              <tr><th>Account</th><th>Plan</th><th>State</th><th>Opened</th></tr>
            </thead>
            <tbody>
              {list.map((a) => (
                <tr key={a.id} data-account={a.id} className={a.suspension ? "suspended" : ""}>
                  <td>
                    <a {...link(route, accountPath(a.id))}><b>{a.name || a.id}</b></a>
                    {a.name && a.name !== a.id && <code className="muted block">{a.id}</code>}
                  </td>
                  <td>{a.plan_id ?? ""}</td>
                  <td>
                    <span className={`dot ${a.suspension ? "suspended" : "active"}`} /> {a.suspension ? "suspended" : "active"}
                    {a.suspension?.reason && <span className="reason" title={a.suspension.reason}>{a.suspension.reason}</span>}
                  </td>
                  <td>{date(a.created_at)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {accounts.data?.next_cursor && <p className="muted more">The newest {accounts.data.items.length} are searched; write an id and press Enter to open any other.</p>}
    </section>
  );
}
