import { useState } from "react";
import { post, type Account, type AccountSwitched, type Credit, type Failure, type Plan, type QuotaState, type Usage } from "./api";
import { Skeleton } from "./alerts";
import type { Question } from "./ask";
import { actor, moment, number, short } from "./format";
import { useResource } from "./live";
import type { May } from "./may";
import { amount, date, grouped, instant } from "./money";
import { PlanCard } from "./plan";
import { link, type Route } from "./route";
import { Statements } from "./statements";

interface Props {
  id: string;
  route: Route;
  ask: (q: Question) => void;
  may: May;
  own: boolean; // the caller's: there is no list to go back to
}

// AccountPage is what billing and the customer look at: what the account is on, what it used, what is left, what it owes.
export function AccountPage({ id, route, ask, may, own }: Props) {
  const q = encodeURIComponent(id);
  const account = useResource<Account>(`/v1/accounts/${q}`, 10_000);
  const there = account.data !== undefined;
  // Nothing else is asked for until it is known that there is such an account.
  const of = (path: string, wanted = true) => (there && wanted ? path : undefined);
  const plan = useResource<Plan>(of(`/v1/accounts/${q}/plan`), 60_000);
  const quotas = useResource<{ items: QuotaState[] }>(of(`/v1/quotas?account_id=${q}`), 10_000);
  const usage = useResource<Usage>(of(`/v1/usage?account_id=${q}&granularity=day`), 30_000);
  const credits = useResource<{ items: Credit[] }>(of(`/v1/accounts/${q}/credits`, may.money), 60_000);
  const [failure, setFailure] = useState<Failure>();
  const a = account.data;
  const change = (which: "suspend" | "reinstate") => {
    setFailure(undefined);
    switching(a!, which).then((question) => ask({ ...question, act: (reason) => question.act(reason).then(account.reload) }), setFailure);
  };
  return (
    <div className="account">
      {!own && <p><a {...link(route, "/accounts")}>← All accounts</a></p>}
      {account.failure && <p className="error" role="alert">{account.failure.status === 404 ? `Not found: there is no account ${id} that you may see.` : account.failure.message}</p>}
      {!a && !account.failure && <Skeleton rows={4} />}
      {a && (
        <>
          <header>
            <h2>{a.name || a.id}</h2>
            {a.name !== a.id && <code className="muted">{a.id}</code>}
            <span className={a.suspension ? "pill suspend" : "pill"}>{a.suspension ? "suspended" : "active"}</span>
            {may.switchAccounts && !a.suspension && <button className="danger" onClick={() => change("suspend")}>Suspend account</button>}
          </header>
          {a.suspension && (
            <div className="suspension">
              <p>
                <b>All keys are refused</b> since {moment(a.suspension.at)}{a.suspension.reason && `: ${a.suspension.reason}`}{" "}
                <span className="muted">{actor(a.suspension.actor)}</span>
              </p>
              {may.switchAccounts && <button onClick={() => change("reinstate")}>Reinstate account</button>}
            </div>
          )}
          {failure && <p className="error" role="alert">{failure.message}</p>}
          <div className="columns">
            <PlanCard plan={plan} />
            <div className="stack">
              <Quotas quotas={quotas.data?.items} failure={quotas.failure} />
              <Used usage={usage.data} failure={usage.failure} id={q} />
              {may.money && <Credits list={credits.data?.items} failure={credits.failure} />}
            </div>
          </div>
          {may.money && <Statements account={q} />}
        </>
      )}
    </div>
  );
}

// switching asks the server first how many keys it is about.
async function switching(a: Account, which: "suspend" | "reinstate"): Promise<Question> {
  const path = `/v1/accounts/${encodeURIComponent(a.id)}/${which}`;
  const dry = await post<AccountSwitched>(path, { reason: "asked how many keys that is about", dry_run: true });
  const keys = dry.keys === 1 ? "1 active key" : `${number(dry.keys)} active keys`;
  const suspend = which === "suspend";
  return {
    title: `${suspend ? "Suspend" : "Reinstate"} ${a.name || a.id}?`,
    text: suspend
      ? `It has ${keys}. All its keys are refused everywhere, also those that it is given later. You can reinstate it at any time.`
      : `${keys} will pass again. Keys that are suspended, revoked or expired themselves go on being refused.`,
    button: suspend ? "Suspend" : "Reinstate",
    danger: suspend,
    reason: "",
    act: (reason) => post(path, { reason }),
  };
}

function Quotas({ quotas, failure }: { quotas: QuotaState[] | undefined; failure: Failure | undefined }) {
  return (
    <section className="sheet quotas" aria-labelledby="quotas-title">
      <h3 id="quotas-title">Quotas</h3>
      {failure && <p className="error" role="alert">{failure.message}</p>}
      {quotas?.length === 0 && <p className="muted">The plan has no quota for the whole account.</p>}
      {quotas?.map((q) => {
        const percent = q.limit > 0 ? Math.floor((q.used / q.limit) * 100) : 100;
        return (
          <div key={q.quota_id} className={`quota ${q.state}`}>
            <p>
              <b>{q.meter}</b> a {q.unit} <span className="muted">{q.enforcement === "hard" ? "hard: calls beyond are refused" : "soft: calls beyond are counted"}</span>
            </p>
            <div className="bar" role="meter" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(percent, 100)} aria-valuetext={`${percent} % of ${number(q.limit)}`} aria-label={`${q.meter} a ${q.unit}`}>
              <span style={{ width: `${Math.min(percent, 100)}%` }} />
            </div>
            <p>
              {number(q.used)} of {number(q.limit)} ({percent} %), <b>{number(q.remaining)} left</b> until {date(q.period.to)}
              {q.exhausted_at && q.remaining > 0 && <span className="muted">; at this rate nothing is left on {date(q.exhausted_at)}</span>}
            </p>
          </div>
        );
      })}
    </section>
  );
}

function Used({ usage, failure, id }: { usage: Usage | undefined; failure: Failure | undefined; id: string }) {
  const most = Math.max(1, ...(usage?.items.map((r) => r.figures.requests) ?? []));
  const t = usage?.total;
  return (
    <section className="sheet usage" aria-labelledby="usage-title">
      <header>
        <h3 id="usage-title">Used this month</h3>
        <a href={`/v1/usage/csv?account_id=${id}&granularity=day`} download={`usage-${decodeURIComponent(id)}.csv`}>Download CSV</a>
      </header>
      {failure && <p className="error" role="alert">{failure.message}</p>}
      {t && (
        <dl className="totals">
          <div><dd>{number(t.requests)}</dd><dt>calls</dt></div>
          <div><dd>{number(t.errors)}</dd><dt>failed</dt></div>
          <div><dd>{short(t.request_bytes + t.response_bytes)}</dd><dt>bytes</dt></div>
          {Object.entries(t.units).map(([unit, n]) => <div key={unit}><dd>{short(n)}</dd><dt>{unit}</dt></div>)}
        </dl>
      )}
      {usage && usage.items.length > 0 && (
        <div className="days" role="img" aria-label={`Calls by day, at most ${number(most)}`}>
          {usage.items.map((r) => <span key={r.start} style={{ height: `${Math.max(2, (r.figures.requests / most) * 100)}%` }} title={`${date(r.start)}: ${number(r.figures.requests)} calls`} />)}
        </div>
      )}
      {usage?.complete_until && <p className="muted">Complete up to {instant(usage.complete_until)}; later hours may still grow.</p>}
    </section>
  );
}

function Credits({ list, failure }: { list: Credit[] | undefined; failure: Failure | undefined }) {
  const open = list?.filter((c) => !c.voided_at);
  if (!failure && !open?.length) return null;
  return (
    <section className="sheet" aria-labelledby="credit-title">
      <h3 id="credit-title">Credit</h3>
      {failure && <p className="error" role="alert">{failure.message}</p>}
      <ul>
        {open?.map((c) => (
          <li key={c.id}>
            <b>{amount(c.remaining, c.currency)}</b> left of {grouped(c.amount)}{c.note && `, ${c.note}`}
            {c.expires_at && <span className="muted"> until {date(c.expires_at)}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
