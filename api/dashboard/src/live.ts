// Data that stays fresh: polled, and asked for again when a live event says that something happened.
import { useCallback, useEffect, useRef, useState } from "react";
import { Failure, get, type LiveEvent } from "./api";

export interface Resource<T> {
  data: T | undefined;
  failure: Failure | undefined;
  reload: () => void;
}

export function useResource<T>(path: string | undefined, everyMs: number): Resource<T> {
  const [state, set] = useState<{ path?: string | undefined; data?: T | undefined; failure?: Failure | undefined }>({});
  const current = useRef(path);
  current.current = path;
  const reload = useCallback(() => {
    const asked = path;
    if (asked === undefined) return;
    get<T>(asked).then(
      (data) => current.current === asked && set({ path: asked, data }),
      // What was shown stays: old figures with a warning are better than none.
      (failure: Failure) => current.current === asked && set((s) => (s.path === asked ? { ...s, failure } : { path: asked, failure })),
    );
  }, [path]);
  useEffect(() => {
    reload();
    const timer = setInterval(() => document.hidden || reload(), everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);
  const fresh = state.path === path;
  return { data: fresh ? state.data : undefined, failure: fresh ? state.failure : undefined, reload };
}

const maxFeed = 200;

// useEvents follows the server's live events, newest first. The browser reconnects by itself and asks for what it missed.
export function useEvents(on: boolean, changed: () => void) {
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [connected, setConnected] = useState(false);
  const tell = useRef(changed);
  tell.current = changed;
  useEffect(() => {
    if (!on) return;
    const source = new EventSource("/v1/events");
    let timer: ReturnType<typeof setTimeout> | undefined;
    source.onopen = () => setConnected(true);
    source.onerror = () => setConnected(false);
    source.addEventListener("reset", () => setEvents([]));
    source.onmessage = (m) => {
      const e = JSON.parse(m.data as string) as LiveEvent;
      setEvents((list) => (list.some((x) => x.id === e.id) ? list : [e, ...list].sort((a, b) => b.id - a.id).slice(0, maxFeed)));
      timer ??= setTimeout(() => {
        timer = undefined;
        tell.current();
      }, 250);
    };
    return () => {
      source.close();
      clearTimeout(timer);
    };
  }, [on]);
  return { events, connected };
}

// useNow ticks, for "4 s ago".
export function useNow(everyMs = 1000): number {
  const [now, set] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
