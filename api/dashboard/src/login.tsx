import { useEffect, useState } from "react";
import { Failure, post, type Session } from "./api";
import { Logo } from "./logo";

// Login spends the code of a one-time link. The code stands behind the # of the address, which no server sees, and is taken
// out of the address bar and the history before anything else happens.
export function Login({ done }: { done: (s: Session) => void }) {
  const [code] = useState(() => location.hash.slice(1));
  const [failure, setFailure] = useState<Failure>();
  useEffect(() => {
    if (location.pathname === "/login" || code) history.replaceState(null, "", "/");
    if (!code) return;
    post<Session>("/v1/session", { code }).then(done, setFailure);
  }, [code, done]);
  return (
    <main className="login">
      <Logo />
      <h1>Tollkeeper</h1>
      {code && !failure ? (
        <p role="status">Signing in…</p>
      ) : (
        <>
          {failure && <p className="error" role="alert">{failure.message}</p>}
          <p>
            This page opens with a one-time link, good for 30 minutes. Tollkeeper prints one when it starts; an administrator
            makes more, for each colleague with a role of their own:
          </p>
          <pre>{`tollkeeper login --name ada --role security\ntollkeeper login --name bill --role billing`}</pre>
          <p>Over REST that is <a href="/docs#CreateLoginLink">POST /v1/login-links</a>.</p>
        </>
      )}
    </main>
  );
}
