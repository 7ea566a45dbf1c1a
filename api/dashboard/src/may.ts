// What a role may do, as x-roles of openapi.yaml has it, so that the page asks for nothing that would be refused.
import type { Session } from "./api";

export interface May {
  figures: boolean; // of all traffic, and the live events
  alerts: boolean;
  judge: boolean; // alerts
  switchKeys: boolean;
  switchAccounts: boolean;
  money: boolean; // statements and credit
  receivers: boolean; // of alerts
}

export function may({ role }: Session): May {
  const among = (...roles: Session["role"][]) => role === "admin" || roles.includes(role);
  return {
    figures: role !== "customer",
    alerts: role !== "billing",
    judge: among("security"),
    switchKeys: among("security", "platform"),
    switchAccounts: among("security", "platform", "billing"),
    money: among("billing", "viewer", "customer"),
    receivers: among("platform", "security", "viewer"),
  };
}
