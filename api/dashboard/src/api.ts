// The REST API as the page uses it. Types come from openapi.yaml; the session is a cookie that scripts cannot read.
import type { components } from "./api.gen";

export type Account = components["schemas"]["Account"];
export type AccountSwitched = components["schemas"]["AccountSwitched"];
export type Alert = components["schemas"]["Alert"];
export type Charge = components["schemas"]["Charge"];
export type Credit = components["schemas"]["Credit"];
export type Evidence = components["schemas"]["Evidence"];
export type Key = components["schemas"]["Key"];
export type KeyStatus = components["schemas"]["KeyStatus"];
export type Plan = components["schemas"]["Plan"];
export type QuotaState = components["schemas"]["QuotaState"];
export type Receiver = components["schemas"]["Receiver"];
export type SimilarAlerts = components["schemas"]["SimilarAlerts"];
export type Stats = components["schemas"]["Stats"];
export type Statement = components["schemas"]["Statement"];
export type StatementLine = components["schemas"]["StatementLine"];
export type Usage = components["schemas"]["Usage"];
export type Session = components["schemas"]["Session"];
export type Timeline = components["schemas"]["Timeline"];
export type LiveEvent = components["schemas"]["Event"];
export type Problem = components["schemas"]["Problem"];

// Failure is a refused request. It reads as a sentence.
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem | undefined,
  ) {
    const fields = problem?.errors?.map((e) => `${e.pointer ?? e.parameter ?? ""} ${e.detail}`).join("; ");
    super(fields || problem?.detail || problem?.title || "The server did not answer.");
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let res: Response;
  try {
    res = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Failure(0, undefined);
  }
  const json = res.headers.get("Content-Type")?.includes("json") ? await res.json() : undefined;
  if (!res.ok) throw new Failure(res.status, json as Problem | undefined);
  return json as T;
}

export const get = <T>(path: string) => call<T>("GET", path);
export const post = <T>(path: string, body: unknown) => call<T>("POST", path, body);
export const remove = (path: string) => call<void>("DELETE", path);
