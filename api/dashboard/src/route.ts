// The address names what is looked at, so that it can be sent to a colleague and the browser's back button works.
import { useCallback, useEffect, useState, type MouseEvent } from "react";

export interface Route {
  path: string;
  go: (path: string, how?: "push" | "replace") => void;
}

export function useRoute(): Route {
  const [path, set] = useState(location.pathname);
  useEffect(() => {
    const back = () => set(location.pathname);
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const go = useCallback((to: string, how: "push" | "replace" = "push") => {
    history[`${how}State`](null, "", to);
    set(to);
  }, []);
  return { path, go };
}

// link makes an anchor of a page: a click stays here, one with a modifier opens a tab as it does everywhere.
export const link = (route: Route, href: string) => ({
  href,
  onClick: (e: MouseEvent) => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    route.go(href);
  },
});

export const accountPath = (id: string) => `/accounts/${encodeURIComponent(id)}`;

// The account that an address names; undefined when it names none.
export function accountIn(path: string): string | undefined {
  const id = /^\/accounts\/([^/]+)$/.exec(path)?.[1];
  try {
    return id && decodeURIComponent(id);
  } catch {
    return id; // not ours: the server says that there is no such account
  }
}
