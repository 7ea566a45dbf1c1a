import type { Receiver } from "./api";
import { ago, moment, short } from "./format";
import { useResource } from "./live";

const marks: Record<Receiver["state"], string> = { ok: "active", failing: "suspended", refused: "late" };

// Receivers is who is told of alerts, and whether it arrives: news that reach nobody look like no news.
export function Receivers({ now }: { now: number }) {
  const told = useResource<{ items: Receiver[] }>("/v1/receivers", 30_000);
  const list = told.data?.items;
  if (!list) return null;
  return (
    <section className="receivers" aria-labelledby="receivers-title">
      <h2 id="receivers-title">Told of alerts</h2>
      {list.length === 0 && <p className="muted">Nobody: <code>notify-url</code> or <code>notify-receivers</code> names a chat, a pager or a SIEM.</p>}
      <ul>
        {list.map((r) => (
          <li key={r.name} data-receiver={r.name}>
            <span className={`dot ${marks[r.state]}`} /> <b>{r.name}</b> <span className="muted">{r.format}, {r.host}</span>
            <div className="muted" title={r.delivered_at && moment(r.delivered_at)}>
              {r.state === "ok" ? "" : `${r.state}; `}
              {r.delivered_at ? `${short(r.delivered)} taken, the last ${ago(r.delivered_at, now)}` : "nothing taken so far"}
              {r.waiting > 0 && `, ${short(r.waiting)} waiting`}
            </div>
            {r.problem && <span className="reason" title={r.problem_at && moment(r.problem_at)}>{r.problem}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
