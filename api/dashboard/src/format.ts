// Words and numbers for people.
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (n: number) => (Math.abs(n) >= 100 ? count.format(n) : small.format(n));
export const rate = (n: number) => (n < 100 ? n.toFixed(1) : count.format(n));
export const short = (n: number) => (Math.abs(n) < 10_000 ? count.format(n) : compact.format(n));

export function ago(time: string, now: number): string {
  const s = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (s < 5) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} d ago`;
}

export function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const clock = (time: string) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const moment = (time: string) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

// A p-value as odds, which read more easily than exponents.
export function odds(p: number): string {
  if (p <= 0) return "practically none";
  return `1 in ${p > 0.001 ? small.format(1 / p) : compact.format(1 / p)}`;
}

// user:ada, token:x and detector:y without their kind, where that is plain.
export const actor = (a: string | undefined) => (a ?? "").replace(/^user:/, "");
