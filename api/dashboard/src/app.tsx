import { useCallback, useEffect, useMemo, useState } from "react";
import { Failure, get, remove, type Alert, type Key, type KeyStatus, type Session, type Stats } from "./api";
import { Alerts } from "./alerts";
import { Ask, type Question } from "./ask";
import { Feed } from "./feed";
import { rate, short } from "./format";
import { Keys } from "./keys";
import { useEvents, useNow, useResource } from "./live";
import { Login } from "./login";
import { Logo } from "./logo";
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
  const now = useNow();
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState<KeyStatus | "">("");
  const [question, setQuestion] = useState<Question>();
  const [open, setOpenState] = useState(() => /^\/alerts\/([^/]+)$/.exec(location.pathname)?.[1]);
  // The address names what is looked at, so that it can be sent to a colleague.
  const setOpen = useCallback((id: string | undefined) => {
    setOpenState(id);
    history.replaceState(null, "", id ? `/alerts/${id}` : "/");
  }, []);
  const query = useMemo(() => {
    const q = new URLSearchParams({ limit: "100" });
    if (search.trim()) q.set("q", search.trim());
    if (status) q.set("status", status);
    return `/v1/keys?${q}`;
  }, [search, status]);

  const stats = useResource<Stats>("/v1/stats", 2000);
  const alerts = useResource<{ items: Alert[] }>("/v1/alerts?limit=50", 10_000);
  const keys = useResource<{ items: Key[] }>(query, 10_000);
  const names = useResource<{ items: Key[] }>("/v1/keys?limit=200", 10_000);
  const reload = useCallback(() => {
    alerts.reload();
    keys.reload();
    names.reload();
  }, [alerts.reload, keys.reload, names.reload]);
  const { events, connected } = useEvents(true, reload);
  const byId = useMemo(() => new Map([...(names.data?.items ?? []), ...(keys.data?.items ?? [])].map((k) => [k.id, k])), [names.data, keys.data]);
  useEffect(() => {
    if (stats.failure?.status === 401) expired();
  }, [stats.failure, expired]);

  const mayAct = session.role === "admin" || session.role === "security";
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
        <nav>
          <a href="/docs">API</a>
          <button className="quiet" onClick={signOut} title={`Signed in as ${session.subject}, ${session.role}`}>Sign out</button>
        </nav>
      </header>
      {stats.failure && stats.failure.status !== 401 && <p className="error bar" role="alert">The figures are not fresh: {stats.failure.message}</p>}
      <main className="board">
        <div className="work">
          <Alerts alerts={alerts} keys={byId} now={now} open={open} setOpen={setOpen} ask={setQuestion} mayAct={mayAct} />
          <Keys keys={keys} counts={s?.keys} search={search} setSearch={setSearch} status={status} setStatus={setStatus} now={now} ask={setQuestion} mayAct={mayAct} />
        </div>
        <Feed events={events} connected={connected} select={setOpen} names={(id) => byId.get(id)?.name} />
      </main>
      {question && (
        <Ask
          question={{ ...question, act: (reason) => question.act(reason).then(reload) }}
          close={() => setQuestion(undefined)}
        />
      )}
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
