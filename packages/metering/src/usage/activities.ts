import { predictionsSource } from "./count-accepted-blocks.ts";
import type { OwnSource } from "./own-usage-store.ts";

const activities: Readonly<Record<string, string>> = {
  [predictionsSource]: "serving",
  ["training" satisfies OwnSource]: "training",
  ["scoring" satisfies OwnSource]: "scoring",
};

/** What usage was for, by who counted it, as `activity` of a file of usage has it; empty where the source does not say: a cluster's records. Pure. */
export function activityOf(source: string): string {
  return Object.hasOwn(activities, source) ? (activities[source] ?? "") : "";
}
