import { useState } from "react";
import { post, type Alert, type Key, type SimilarAlerts, type Timeline } from "./api";
import type { Question } from "./ask";
import { Client, EvidenceList, Examples, Usual } from "./evidence";
import { actor, ago, clock, moment } from "./format";
import { useResource, type Resource } from "./live";
import type { May } from "./may";

const done: Record<Alert["action"], string> = {
  observe: "observed",
  flag: "flagged",
  throttle: "throttled",
  quarantine: "quarantined",
  suspend: "suspended",
  revoke: "revoked",
};

interface Props {
  alerts: Resource<{ items: Alert[]; next_cursor?: string }>;
  keys: Map<string, Key>;
  now: number;
  open: string | undefined;
  setOpen: (id: string | undefined) => void;
  ask: (q: Question) => void;
  may: May;
}

export function Alerts({ alerts, keys, now, open, setOpen, ask, may }: Props) {
  const [settled, setSettled] = useState(false);
  const all = alerts.data?.items;
  const live = all?.filter((a) => a.status === "open" || a.status === "acknowledged");
  const shown = settled ? all : live;
  return (
    <section className="alerts" aria-labelledby="alerts-title">
      <header>
        <h2 id="alerts-title">Alerts</h2>
        {live && <span className={live.length ? "count hot" : "count"}>{live.length} open</span>}
        <label className="switch">
          <input type="checkbox" checked={settled} onChange={(e) => setSettled(e.target.checked)} /> show settled
        </label>
      </header>
      {alerts.failure && <p className="error" role="alert">{alerts.failure.message}</p>}
      {!all && !alerts.failure && <Skeleton rows={3} />}
      {shown?.length === 0 && (
        <p className="empty">
          <b>All quiet.</b> Every key behaves as it usually does. An alert says here what changed, how sure that is, and what was done.
        </p>
      )}
      {shown?.map((a) => (
        <Card key={a.id} alert={a} keyed={a.key_id ? keys.get(a.key_id) : undefined} now={now} open={open === a.id} toggle={() => setOpen(open === a.id ? undefined : a.id)} ask={ask} may={may} />
      ))}
    </section>
  );
}

function Card({ alert: a, keyed, now, open, toggle, ask, may }: { alert: Alert; keyed: Key | undefined; now: number; open: boolean; toggle: () => void; ask: (q: Question) => void; may: May }) {
  const settled = a.status !== "open" && a.status !== "acknowledged";
  return (
    <article className={`card ${a.severity} ${settled ? "settled" : ""}`} data-alert={a.id}>
      <button className="head" onClick={toggle} aria-expanded={open}>
        <span className="row">
          <span className={`pill ${a.action}`}>{done[a.action]}</span>
          <strong>{keyed?.name || a.key_id || "Guessed keys"}</strong>
          {a.account_id && <span className="muted">{a.account_id}</span>}
          <span className="when" title={a.opened_at}>{ago(a.opened_at, now)}</span>
        </span>
        {!(open && a.evidence.length > 0) && <span className="why">{a.sentence || a.title}</span>}
      </button>
      {open && <Detail alert={a} keyed={keyed} ask={ask} may={may} settled={settled} />}
    </article>
  );
}

function Detail({ alert: a, keyed, ask, may, settled }: { alert: Alert; keyed: Key | undefined; ask: (q: Question) => void; may: May; settled: boolean }) {
  const timeline = useResource<Timeline>(`/v1/alerts/${a.id}/timeline`, 5000);
  const similar = useResource<SimilarAlerts>(`/v1/alerts/${a.id}/similar?limit=3`, 60_000);
  return (
    <div className="detail">
      <EvidenceList list={a.evidence} />
      <Client alert={a} />
      <Usual alert={a} />
      <Examples alert={a} />
      {timeline.data && (
        <ol className="timeline">
          {timeline.data.items.slice(-8).map((t, i) => (
            <li key={i}>
              <time dateTime={t.at} title={t.event_time && `${moment(t.event_time)} by the access log`}>{clock(t.at)}</time>
              <span>
                <b>{t.kind}</b> {t.text && t.text !== a.sentence ? t.text : ""} <span className="muted">{actor(t.actor)}</span>
              </span>
            </li>
          ))}
        </ol>
      )}
      {similar.data && similar.data.items.length > 0 && (
        <ul className="similar" aria-label="Similar alerts">
          {similar.data.items.map(({ alert, because }) => (
            <li key={alert.id}>
              <b>{alert.verdict ?? alert.status}</b> {moment(alert.opened_at)}, {because.join(", ")}
              {alert.feedback && <span className="muted"> “{alert.feedback}”</span>}
            </li>
          ))}
        </ul>
      )}
      {a.feedback && <p className="feedback">{a.status}: “{a.feedback}” <span className="muted">{actor(a.feedback_by)}</span></p>}
      {(may.judge || may.switchKeys) && (
        <div className="actions">
          <button onClick={() => ask(comment(a))}>Comment</button>
          {may.judge && settled && <button onClick={() => ask(takeBack(a))}>Reopen</button>}
          {may.switchKeys && keyed?.status === "active" && <button className="danger" onClick={() => ask(suspend(keyed, a.id))}>Suspend key</button>}
          {may.switchKeys && keyed?.status === "suspended" && <button onClick={() => ask(reinstate(keyed))}>Reinstate key</button>}
          {may.judge && !settled && <button className="primary" onClick={() => ask(verdict(a, "confirm"))}>Confirm abuse</button>}
          {may.judge && !settled && <button onClick={() => ask(verdict(a, "dismiss"))}>Dismiss, let it pass</button>}
        </div>
      )}
    </div>
  );
}

export const suspend = (k: Key, alertId?: string): Question => ({
  title: `Suspend ${k.name || k.id}?`,
  text: "Every gateway refuses it within a second. You can reinstate it at any time.",
  button: "Suspend",
  danger: true,
  reason: "Suspended in the dashboard",
  act: (reason) => post(`/v1/keys/${k.id}/suspend`, { reason, ...(alertId ? { alert_id: alertId } : {}) }),
});

export const reinstate = (k: Key): Question => ({
  title: `Reinstate ${k.name || k.id}?`,
  text: `It was suspended by ${actor(k.status_actor) || "somebody"}${k.status_reason ? `: ${k.status_reason}` : ""}.`,
  button: "Reinstate",
  reason: "The customer changed the key's use",
  act: (reason) => post(`/v1/keys/${k.id}/reinstate`, { reason }),
});

const takeBack = (a: Alert): Question => ({
  title: "Open the alert again?",
  text: `What was said about it (${a.verdict ?? a.status}) is taken back. The key stays as it is.`,
  button: "Reopen",
  reason: "New facts",
  act: (reason) => post(`/v1/alerts/${a.id}/reopen`, { reason }),
});

const comment = (a: Alert): Question => ({
  title: "Comment on the alert",
  text: "It is added to the timeline; customers do not see it.",
  button: "Comment",
  reason: "",
  act: (text) => post(`/v1/alerts/${a.id}/comment`, { text }),
});

function verdict(a: Alert, which: "confirm" | "dismiss"): Question {
  const confirm = which === "confirm";
  return {
    title: confirm ? "It was abuse?" : "It was no abuse?",
    text: confirm
      ? "The key stays as it is; give the customer a new one by rotating it."
      : "A key that this alert suspended passes again, and detection learns that this key may behave so.",
    button: confirm ? "Confirm" : "Dismiss",
    danger: confirm,
    reason: confirm ? "The customer did not make these calls" : "The customer's own doing",
    act: (reason) => post(`/v1/alerts/${a.id}/${which}`, { reason }),
  };
}

export function Skeleton({ rows }: { rows: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => <div key={i} />)}
    </div>
  );
}
