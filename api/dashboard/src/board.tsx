import { useCallback, useMemo, useState } from "react";
import type { Alert, Key, KeyStatus, Stats } from "./api";
import { Alerts } from "./alerts";
import type { Question } from "./ask";
import { Feed } from "./feed";
import { Keys } from "./keys";
import { useEvents, useNow, useResource } from "./live";
import type { May } from "./may";
import { Receivers } from "./receivers";
import type { Route } from "./route";

interface Props {
  route: Route;
  stats: Stats | undefined;
  ask: (q: Question) => void;
  may: May;
}

// Board is what is being abused, and all keys, as live as the caller may see them.
export function Board({ route, stats, ask, may }: Props) {
  const now = useNow();
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState<KeyStatus | "">("");
  const open = /^\/alerts\/([^/]+)$/.exec(route.path)?.[1];
  const { go } = route;
  const setOpen = useCallback((id: string | undefined) => go(id ? `/alerts/${id}` : "/keys", "replace"), [go]);
  const query = useMemo(() => {
    const q = new URLSearchParams({ limit: "100" });
    if (search.trim()) q.set("q", search.trim());
    if (status) q.set("status", status);
    return `/v1/keys?${q}`;
  }, [search, status]);

  const alerts = useResource<{ items: Alert[] }>(may.alerts ? "/v1/alerts?limit=50" : undefined, 10_000);
  const keys = useResource<{ items: Key[] }>(query, 10_000);
  const names = useResource<{ items: Key[] }>("/v1/keys?limit=200", 10_000);
  const reload = useCallback(() => {
    alerts.reload();
    keys.reload();
    names.reload();
  }, [alerts.reload, keys.reload, names.reload]);
  const { events, connected } = useEvents(may.figures, reload);
  const byId = useMemo(() => new Map([...(names.data?.items ?? []), ...(keys.data?.items ?? [])].map((k) => [k.id, k])), [names.data, keys.data]);
  const change = (q: Question) => ask({ ...q, act: (reason) => q.act(reason).then(reload) });
  return (
    <main className={may.figures ? "board" : "page"}>
      <div className="work">
        {may.alerts && <Alerts alerts={alerts} keys={byId} now={now} open={open} setOpen={setOpen} ask={change} may={may} />}
        <Keys keys={keys} counts={stats?.keys} search={search} setSearch={setSearch} status={status} setStatus={setStatus} now={now} ask={change} mayAct={may.switchKeys} route={route} />
      </div>
      {may.figures && (
        <Feed events={events} connected={connected} select={setOpen} names={(id) => byId.get(id)?.name}>
          {may.receivers && <Receivers now={now} />}
        </Feed>
      )}
    </main>
  );
}
