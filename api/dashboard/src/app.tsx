import { useEffect, useMemo, useState } from "react";
import { Failure, get, remove, type Session, type Stats } from "./api";
import { AccountPage } from "./account";
import { Accounts } from "./accounts";
import { Ask, type Question } from "./ask";
import { Board } from "./board";
import { rate, short } from "./format";
import { useResource } from "./live";
import { Login } from "./login";
import { Logo } from "./logo";
import { may } from "./may";
import { accountIn, accountPath, link, useRoute } from "./route";
import { Sparkline } from "./sparkline";

export function App() {
  const [session, setSession] = useState<Session | null>();
  const [failure, setFailure] = useState<Failure>();
  useEffect(() => {
    if (location.hash.length > 1) {
      setSession(null); // a login link wins over an old session
      return;
    }
    get<Session>("/v1/session").then(setSession, (f: Failure) => (f.status === 401 ? setSession(null) : setFailure(f)));
  }, []);
  if (failure) {
    return (
      <main className="login">
        <Logo />
        <p className="error" role="alert">{failure.message}</p>
        <button onClick={() => location.reload()}>Try again</button>
      </main>
    );
  }
  if (session === undefined) return null;
  return session === null ? <Login done={setSession} /> : <Dashboard session={session} signOut={() => remove("/v1/session").finally(() => setSession(null))} expired={() => setSession(null)} />;
}

function Dashboard({ session, signOut, expired }: { session: Session; signOut: () => void; expired: () => void }) {
  const route = useRoute();
  const allowed = useMemo(() => may(session), [session]);
  const [question, setQuestion] = useState<Question>();
  const stats = useResource<Stats>(allowed.figures ? "/v1/stats" : undefined, 2000);
  const alive = useResource<Session>(allowed.figures ? undefined : "/v1/session", 30_000);
  const failed = (stats.failure ?? alive.failure)?.status;
  useEffect(() => {
    if (failed === 401) expired();
  }, [failed, expired]);

  const own = session.role === "customer" ? session.account_id : undefined;
  const accounts = own ? accountPath(own) : "/accounts";
  // Who cannot see alerts, or only comes for the own account, begins with that.
  const path = route.path === "/" && (own || !allowed.alerts) ? accounts : route.path;
  const inAccounts = path.startsWith("/accounts");
  const account = accountIn(path);
  const s = stats.data;
  const last = s?.requests_per_second.slice(-3);
  return (
    <>
      <header className="top">
        <div className="brand">
          <Logo />
          <h1>Tollkeeper</h1>
          {s?.demo && <span className="pill demo" title="The traffic is simulated">demo</span>}
          {s?.mode === "observe" && <span className="pill observe" title="Decisions are recorded, not carried out">observe only</span>}
        </div>
        {allowed.figures && (
          <>
            <div className="traffic">
              <div>
                <b>{last?.length ? rate(last.reduce((sum, p) => sum + p.value, 0) / last.length) : "–"}</b>
                <span className="muted">requests/s</span>
              </div>
              <Sparkline calls={s?.requests_per_second ?? []} refused={s?.refused_per_second ?? []} />
            </div>
            <dl className="totals">
              <Total name="calls counted" value={s?.requests_total} />
              <Total name="keys active" value={s ? (s.keys.active ?? 0) : undefined} />
              <Total name="suspended" value={s ? (s.keys.suspended ?? 0) : undefined} hot />
              <Total name="unreadable lines" value={s?.dead_letters} />
            </dl>
          </>
        )}
        <nav aria-label="Pages">
          <a {...link(route, "/keys")} aria-current={inAccounts ? undefined : "page"}>{allowed.alerts && !own ? "Alerts and keys" : "Keys"}</a>
          <a {...link(route, accounts)} aria-current={inAccounts ? "page" : undefined}>{own ? "Account" : "Accounts"}</a>
          <a href="/docs">API</a>
          <button className="quiet" onClick={signOut} title={`Signed in as ${session.subject}, ${session.role}`}>Sign out</button>
        </nav>
      </header>
      {stats.failure && stats.failure.status !== 401 && <p className="error bar" role="alert">The figures are not fresh: {stats.failure.message}</p>}
      {inAccounts ? (
        <main className="page">{account ? <AccountPage key={account} id={account} route={route} ask={setQuestion} may={allowed} own={own !== undefined} /> : <Accounts route={route} />}</main>
      ) : (
        <Board route={route} stats={s} ask={setQuestion} may={allowed} />
      )}
      {question && <Ask question={question} close={() => setQuestion(undefined)} />}
    </>
  );
}

function Total({ name, value, hot }: { name: string; value: number | undefined; hot?: boolean }) {
  return (
    <div className={hot && value ? "hot" : ""}>
      <dd>{value === undefined ? "–" : short(value)}</dd>
      <dt>{name}</dt>
    </div>
  );
}
