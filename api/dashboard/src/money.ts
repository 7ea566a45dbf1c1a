// Amounts are exact decimals and stay text: a float would change what somebody owes.

// grouped sets commas between thousands.
export function grouped(decimal: string): string {
  const [whole = "", part] = decimal.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? `.${part}` : "");
}

// amount is a sum in its currency, with at least as many decimals as the currency has.
export function amount(decimal: string, currency: string): string {
  const [whole = "0", part = ""] = decimal.split(".");
  return `${currency} ${grouped([whole, part.padEnd(digits(currency), "0")].filter(Boolean).join("."))}`;
}

function digits(currency: string): number {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2; // a currency that the browser does not know
  }
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const month = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const hour = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

export const instant = (time: string) => `${hour.format(new Date(time))} UTC`;
export const date = (time: string) => day.format(new Date(time));

// period is a calendar month by its name, or its first and last day. Bills go by UTC.
export function period({ from, to }: { from: string; to: string }): string {
  const [a, b] = [new Date(from), new Date(to)];
  if (a.getTime() === Date.UTC(a.getUTCFullYear(), a.getUTCMonth()) && b.getTime() === Date.UTC(a.getUTCFullYear(), a.getUTCMonth() + 1)) return month.format(a);
  return `${day.format(a)} – ${day.format(new Date(b.getTime() - 1))}`;
}
