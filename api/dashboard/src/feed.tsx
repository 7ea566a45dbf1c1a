import type { ReactNode } from "react";
import type { LiveEvent } from "./api";
import { clock } from "./format";

// What an event is about, by the last word of its type: it gives the mark its colour.
const tone = (type: string) => /suspended|revoked|stolen|refused/.exec(type)?.[0] ?? /opened|threshold|quarantined/.exec(type)?.[0] ?? "plain";

interface Props {
  events: LiveEvent[];
  connected: boolean;
  names: (keyId: string) => string | undefined;
  select: (alertId: string) => void;
  children?: ReactNode; // below the news
}

export function Feed({ events, connected, names, select, children }: Props) {
  // A key's name says more than its id.
  const text = (e: LiveEvent) => (e.key_id ? e.text.replaceAll(e.key_id, names(e.key_id) ?? e.key_id) : e.text);
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
            <span className="what">
              <time dateTime={e.at}>{clock(e.at)}</time> <b>{e.type.split(".").pop()}</b>
            </span>
            {e.alert_id ? <button className="link" onClick={() => select(e.alert_id!)} title={e.text}>{text(e)}</button> : <span className="text" title={e.text}>{text(e)}</span>}
          </li>
        ))}
      </ol>
      {children}
    </aside>
  );
}
