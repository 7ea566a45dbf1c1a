import type { Alert, Evidence } from "./api";
import { moment, number, odds, span } from "./format";

const width = 200;
const height = 22;

// Band draws the expected band and where the observation lies, on a logarithmic scale when they are far apart.
function Band({ e }: { e: Evidence }) {
  const { observed: seen, low, high } = e;
  if (seen === undefined || low === undefined || high === undefined || (low === 0 && high === 0 && seen === 0)) return null;
  const far = Math.max(seen, high) > 20 * Math.max(high - low, Math.abs(high), 1e-9) || seen > 20 * Math.max(high, 1e-9);
  const scale = (v: number) => (far ? Math.log10(1 + Math.max(0, v)) : v);
  const from = Math.min(scale(low), scale(seen));
  const to = Math.max(scale(high), scale(seen));
  const pad = (to - from || 1) * 0.08;
  const x = (v: number) => ((scale(v) - from + pad) / (to - from + 2 * pad)) * width;
  const a = x(low);
  const b = Math.max(x(high), a + 3);
  return (
    <svg className="band" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`observed ${number(seen)}, expected ${number(low)} to ${number(high)}`}>
      <line x1="0" x2={width} y1={height / 2} y2={height / 2} className="axis" />
      <rect x={a} y="5" width={b - a} height={height - 10} rx="2" className="expected" />
      {e.expected !== undefined && <line x1={x(e.expected)} x2={x(e.expected)} y1="4" y2={height - 4} className="mean" />}
      <circle cx={x(seen)} cy={height / 2} r="5" className={seen > high || seen < low ? "seen out" : "seen"} />
    </svg>
  );
}

export function EvidenceList({ list }: { list: Evidence[] }) {
  if (list.length === 0) return null;
  return (
    <ul className="evidence">
      {list.map((e, i) => (
        <li key={i}>
          <div className="finding">
            <span className="family">{e.family}</span> {e.sentence}
          </div>
          <div className="figures">
            <Band e={e} />
            <dl>
              {e.observed !== undefined && (
                <div>
                  <dt>observed</dt>
                  <dd>
                    <b>{number(e.observed)}</b>
                    {e.window_seconds ? ` in ${span(e.window_seconds)}` : ""}
                  </dd>
                </div>
              )}
              {e.low !== undefined && e.high !== undefined && (
                <div>
                  <dt>expected</dt>
                  <dd>{e.low === e.high ? number(e.high) : `${number(e.low)} – ${number(e.high)}`}</dd>
                </div>
              )}
              {e.p_value !== undefined && (
                <div>
                  <dt>chance</dt>
                  <dd>{odds(e.p_value)}</dd>
                </div>
              )}
            </dl>
          </div>
        </li>
      ))}
    </ul>
  );
}

export function Client({ alert }: { alert: Alert }) {
  const c = alert.client;
  if (!c) return null;
  const parts = [c.asn ? `AS${c.asn} ${c.operator ?? ""}` : c.network, c.country, c.agent].filter(Boolean);
  if (parts.length === 0) return null;
  return (
    <p className="client">
      <span className="label">Client</span> {parts.join(" · ")}
      {c.addresses?.length ? <> from <code>{c.addresses.slice(0, 3).join(", ")}</code></> : null}
      {c.requests ? ` · ${number(c.requests)} requests` : ""}
    </p>
  );
}

type Uses = NonNullable<Alert["usual"]>["networks"];

function named({ all, most }: Uses, shown = 2) {
  const more = all - Math.min(shown, most.length);
  return most.slice(0, shown).map((u) => u.name).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

// Usual stands below the client: what the key's own use looks like.
export function Usual({ alert }: { alert: Alert }) {
  const u = alert.usual;
  if (!u || u.networks.all + u.agents.all + u.routes.all === 0) return null;
  const parts = [
    named(u.networks),
    named(u.countries, 3),
    named(u.agents),
    u.addresses > 0 && `${number(u.addresses)} ${u.addresses === 1 ? "address" : "addresses"}`,
    named(u.routes),
    u.hour && `${number(u.hour.low)} – ${number(u.hour.high)} requests in such an hour`,
  ].filter(Boolean);
  return (
    <p className="client" title={u.since && `${number(u.requests)} requests since ${moment(u.since)}`}>
      <span className="label">Usually</span> {parts.join(" · ")}
    </p>
  );
}

export function Examples({ alert }: { alert: Alert }) {
  const list = alert.examples ?? [];
  if (list.length === 0) return null;
  return (
    <details className="examples">
      <summary>{list.length} example calls</summary>
      <div className="scroll">
        <table>
          <thead>
            <tr><th>When</th><th>Call</th><th>Status</th><th>From</th></tr>
          </thead>
          <tbody>
            {list.map((x, i) => (
              <tr key={i}>
                <td>{moment(x.at)}</td>
                <td><code>{x.method} {x.path}</code></td>
                <td>{x.status}</td>
                <td>{[x.client_ip, x.country, x.agent].filter(Boolean).join(" · ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
