import { addMicros, asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import type { Finding } from "./rule.ts";

/** A saving with its price, or why there is none. */
export function saving(saves: Cost | undefined, missing: string): Pick<Finding, "saves" | "noSaving"> {
  return saves ? { saves } : { noSaving: `the price book has no ${missing}` };
}

export function inMonth({ requests, days }: { readonly requests: number; readonly days: number }): number {
  return days > 0 ? (requests / days) * 30 : 0;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function millis(micros: number): string {
  return `${(micros / 1000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
}

/** So many days later, as a day of UTC. */
export function dayAfter(now: number, days: number): string {
  return formatInstant(addMicros(asEpochMicros(now), days * 86_400_000_000)).slice(0, 10);
}

export function environmentFlag(environment: string): string {
  return environment === "production" ? "" : ` --environment ${environment}`;
}
