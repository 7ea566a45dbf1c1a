import type { Charge, Plan } from "./api";
import { number } from "./format";
import type { Resource } from "./live";
import { grouped } from "./money";

const models: Record<Charge["model"], string> = {
  flat: "a fee per period",
  unit: "one price per unit",
  graduated: "each unit at the price of its tier",
  volume: "all units at the price of the tier reached",
  package: "a price per started package",
};

// PlanCard tells what the use of an account is rated by.
export function PlanCard({ plan }: { plan: Resource<Plan> }) {
  const p = plan.data;
  return (
    <section className="sheet plan" aria-labelledby="plan-title">
      <h3 id="plan-title">Plan</h3>
      {plan.failure && <p className="error" role="alert">{plan.failure.message}</p>}
      {p && (
        <>
          <p>
            <b>{p.name}</b> <span className="muted">{p.id}, version {p.version}; prices in {p.currency}</span>
          </p>
          {p.charges?.map((c, i) => <Price key={c.id ?? i} charge={c} />)}
          {p.quotas?.filter((q) => q.per === "key").map((q) => (
            <p key={q.id ?? q.meter} className="muted">Each key: {number(q.limit)} {q.meter} a {q.period ?? "month"}, {q.enforcement ?? "soft"}.</p>
          ))}
        </>
      )}
    </section>
  );
}

function Price({ charge: c }: { charge: Charge }) {
  const fixed = c.tiers?.some((t) => t.flat_price);
  return (
    <div className="price">
      <p>
        <b>{c.name || c.meter || c.id}</b> {c.price && grouped(c.price)} <span className="muted">{models[c.model]}</span>
      </p>
      {c.included && <p className="muted">{grouped(c.included)} included</p>}
      {c.tiers && (
        <table>
          <thead><tr><th>Units</th><th className="end">Each</th>{fixed && <th className="end">Fixed</th>}</tr></thead>
          <tbody>
            {c.tiers.map((t, i) => (
              <tr key={i}>
                <td>{t.up_to ? `up to ${grouped(t.up_to)}` : i ? `above ${grouped(c.tiers![i - 1]!.up_to ?? "0")}` : "all"}</td>
                <td className="end">{grouped(t.unit_price ?? "0")}{t.block && ` per ${grouped(t.block)}`}</td>
                {fixed && <td className="end">{t.flat_price ? grouped(t.flat_price) : ""}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {c.discount_percent && <p className="muted">less {c.discount_percent} %</p>}
      {(c.min_spend || c.max_spend) && <p className="muted">{[c.min_spend && `at least ${grouped(c.min_spend)}`, c.max_spend && `at most ${grouped(c.max_spend)}`].filter(Boolean).join(", ")}</p>}
    </div>
  );
}
