import { Fragment } from "react";
import type { Statement, StatementLine } from "./api";
import { useResource } from "./live";
import { amount, date, grouped, instant, period } from "./money";

// Statements shows what the month costs so far and what was issued, each with its arithmetic.
export function Statements({ account }: { account: string }) {
  const preview = useResource<Statement>(`/v1/statements/preview?account_id=${account}`, 30_000);
  const issued = useResource<{ items: Statement[]; next_cursor?: string }>(`/v1/statements?account_id=${account}&limit=50`, 30_000);
  const corrected = new Set(issued.data?.items.map((s) => s.corrects));
  return (
    <section className="bills" aria-labelledby="bills-title">
      <h3 id="bills-title">Statements</h3>
      {preview.failure && <p className="error" role="alert">What this month costs is not known: {preview.failure.message}</p>}
      {issued.failure && <p className="error" role="alert">{issued.failure.message}</p>}
      {preview.data && <Bill statement={preview.data} state="preview" />}
      {issued.data?.items.map((s) => <Bill key={s.id} statement={s} state={s.kind === "statement" && corrected.has(s.id) ? "corrected" : s.kind} />)}
      {issued.data?.items.length === 0 && <p className="muted">None was issued yet: that happens by itself once a month is over and its last hours are complete.</p>}
      {issued.data?.next_cursor && <p className="muted more">The newest 50 are shown. <code>tollkeeper statements list</code> has all.</p>}
    </section>
  );
}

type State = Statement["kind"] | "corrected";

const states: Record<State, [name: string, title: string]> = {
  preview: ["draft", "What the period costs up to now. It may still grow."],
  statement: ["final", "Issued; it never changes. Late records would become a correction."],
  corrected: ["corrected", "Issued; a correction tells what late records changed."],
  correction: ["correction", "What late records changed of a statement; to be added to it."],
};

function Bill({ statement: s, state }: { statement: Statement; state: State }) {
  const [name, title] = states[state];
  return (
    <details className={`sheet bill ${state}`}>
      <summary>
        <span className="pill" title={title}>{name}</span>
        <b>{period(s.period)}</b>
        {s.number && <span className="muted">no. {s.number}</span>}
        <b className="sum">{amount(s.total, s.currency)}</b>
      </summary>
      <p className="muted">
        {title} Plan {s.plans.map((p) => `${p.plan_id} version ${p.version}`).join(", then ")}. Use of {s.basis.keys} {s.basis.keys === 1 ? "key" : "keys"}
        {s.basis.sealed_through && `, complete up to ${instant(s.basis.sealed_through)}`}.{s.issued_at && ` Issued ${date(s.issued_at)}.`}{s.rounding !== "0" && ` Rounded by ${s.rounding}.`}
      </p>
      <Lines list={s.lines} currency={s.currency} total={s.total} />
      {s.restated && s.restated.length > 0 && (
        <>
          <h4>As the statement should have been</h4>
          <Lines list={s.restated} currency={s.currency} />
        </>
      )}
      {s.id && (
        <p className="downloads">
          <a href={`/v1/statements/${s.id}/csv`} download={`statement-${s.number ?? s.id}.csv`}>Download CSV</a>
          <a href={`/v1/statements/${s.id}`} download={`statement-${s.number ?? s.id}.json`}>Download JSON</a>
        </p>
      )}
    </details>
  );
}

function Lines({ list, currency, total }: { list: StatementLine[]; currency: string; total?: string }) {
  return (
    <div className="scroll">
      <table>
        <thead>
          <tr><th>Charge</th><th className="end">Quantity</th><th className="end">Each</th><th className="end">Amount</th></tr>
        </thead>
        <tbody>
          {list.map((l, i) => (
            <Fragment key={i}>
              <tr className="line">
                <td>
                  <b>{l.description || l.charge_id}</b> <span className="muted">{l.model}{l.share && `, ${l.share.days} of ${l.share.of} days`}</span>
                </td>
                <td className="end">{l.model === "flat" ? "" : grouped(l.quantity)}</td>
                <td />
                <td className="end"><b>{amount(l.amount, currency)}</b></td>
              </tr>
              {(l.steps.length > 1 || l.steps.some((s) => s.tier)) && l.steps.map((s, j) => (
                <tr key={j} className="step">
                  <td>{s.tier ? `tier ${s.tier}` : "part"}{s.up_to ? `, up to ${grouped(s.up_to)}` : s.from && s.from !== "0" ? `, above ${grouped(s.from)}` : ""}{s.flat_price && s.flat_price !== "0" && `, fixed ${grouped(s.flat_price)}`}</td>
                  <td className="end">{grouped(s.quantity)}</td>
                  <td className="end">{grouped(s.unit_price)}</td>
                  <td className="end">{grouped(s.amount)}</td>
                </tr>
              ))}
              {adjustments(l).map(([name, by]) => (
                <tr key={name} className="step"><td colSpan={3}>{name}</td><td className="end">{grouped(by)}</td></tr>
              ))}
            </Fragment>
          ))}
        </tbody>
        {total !== undefined && (
          <tfoot>
            <tr><th scope="row" colSpan={3}>Total</th><td className="end"><b>{amount(total, currency)}</b></td></tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

// adjustments are what was added to the tiers' sum, or, with a minus, taken off.
const adjustments = (l: StatementLine) =>
  ([["discount", l.discount], ["to the least", l.min_spend], ["to the most", l.max_spend]] as const).filter((a): a is readonly [typeof a[0], string] => !!a[1] && a[1] !== "0");
