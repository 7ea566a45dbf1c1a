import type { LiveEvent } from "./api";
import { clock } from "./format";

// What an event is about, by the last word of its type: it gives the mark its colour.
const tone = (type: string) => /suspended|revoked|stolen|refused/.exec(type)?.[0] ?? /opened|threshold|quarantined/.exec(type)?.[0] ?? "plain";

export function Feed({ events, connected, select }: { events: LiveEvent[]; connected: boolean; select: (alertId: string) => void }) {
  return (
    <aside className="feed" aria-labelledby="feed-title">
      <header>
        <h2 id="feed-title">Live</h2>
        <span className={connected ? "live on" : "live"}>{connected ? "connected" : "connecting…"}</span>
      </header>
      {events.length === 0 && <p className="empty">Nothing has happened yet. What detection and people do appears here at once.</p>}
      <ol aria-live="polite">
        {events.map((e) => (
          <li key={e.id} className={tone(e.type)}>
            <time dateTime={e.at}>{clock(e.at)}</time>
            {e.alert_id ? <button className="link" onClick={() => select(e.alert_id!)}>{e.text}</button> : <span>{e.text}</span>}
          </li>
        ))}
      </ol>
    </aside>
  );
}
