import type { CheckName } from "./checks.ts";
import type { UseCaseFacts } from "./evidence.ts";
import { type CheckResult, heldSince, holds } from "./score.ts";

const dayMicros = 86_400_000_000;
/** Six months of 30.44 days: by then the first model serves, as the article asks. */
export const firstModelDays = 183;

interface Step {
  readonly period: string;
  /** It is due at the end of this day since the use case was made; absent: it has no end. */
  readonly dueDay?: number;
  readonly what: string;
  readonly by: readonly CheckName[];
}

interface Road {
  readonly name: string;
  readonly source: string;
  readonly steps: readonly Step[];
}

/** The roads of the articles, each step with the checks that tick it. */
export const roads: readonly Road[] = [
  {
    name: "First model in six months",
    source: "first article, Getting Started",
    steps: [
      {
        period: "weeks 1-2",
        dueDay: 14,
        what: "Constraints and success criteria are settled",
        by: ["charter_signed", "targets_stated", "budget_ceiling"],
      },
      { period: "weeks 1-2", dueDay: 14, what: "What production costs is known", by: ["plan_kept"] },
      {
        period: "weeks 3-4",
        dueDay: 28,
        what: "The architecture answers the constraints",
        by: ["controls_enforced", "load_stated", "fallback_designed", "contract_published"],
      },
      {
        period: "months 2-3",
        dueDay: 91,
        what: "Infrastructure stands, shared and walled",
        by: ["gateways_two", "access_narrow", "data_policies", "audit_sealed"],
      },
      {
        period: "months 2-3",
        dueDay: 91,
        what: "Data and features flow",
        by: ["data_published", "features_defined"],
      },
      { period: "months 2-3", dueDay: 91, what: "Cost is tracked", by: ["usage_metered"] },
      {
        period: "months 4-6",
        dueDay: firstModelDays,
        what: "The model is served as production",
        by: ["endpoint_live", "features_served", "load_seen", "compute_measured"],
      },
      {
        period: "months 4-6",
        dueDay: firstModelDays,
        what: "It is built and released by machinery",
        by: [
          "training_reproducible",
          "version_signed",
          "gates_passed",
          "promoted",
          "canary_passed",
          "way_back",
          "pipeline_published",
        ],
      },
      {
        period: "months 4-6",
        dueDay: firstModelDays,
        what: "It is watched, and somebody is told",
        by: ["reference_profile", "drift_counted", "alerts_routed", "outcomes_reported", "data_fresh"],
      },
      {
        period: "months 4-6",
        dueDay: firstModelDays,
        what: "Access and compliance hold",
        by: ["answers_recorded", "approved_by_second", "explained", "reviewed"],
      },
      {
        period: "month 7 on",
        what: "It learns from use, and costs are compared",
        by: ["retraining_policy", "costs_compared"],
      },
    ],
  },
  {
    name: "30, 90 and more days",
    source: "fourth article, Implementation Checklist",
    steps: [
      {
        period: "days 1-30",
        dueDay: 30,
        what: "The workload is known and its load stated",
        by: ["load_stated"],
      },
      { period: "days 1-30", dueDay: 30, what: "Access is controlled", by: ["access_narrow"] },
      {
        period: "days 1-30",
        dueDay: 30,
        what: "Usage carries its owner, and data its origin",
        by: ["usage_metered", "contract_published"],
      },
      {
        period: "days 31-90",
        dueDay: 90,
        what: "A pipeline, a registry and a way to deploy",
        by: ["pipeline_published", "version_signed", "endpoint_live"],
      },
      {
        period: "days 31-90",
        dueDay: 90,
        what: "Objectives for latency, drift and incidents",
        by: ["targets_stated", "drift_counted", "alerts_routed"],
      },
      {
        period: "days 31-90",
        dueDay: 90,
        what: "Costs are shown, and policy bounds are set",
        by: ["usage_metered", "controls_enforced"],
      },
      {
        period: "beyond 90 days",
        what: "Training again is automatic, and policy is code",
        by: ["retraining_policy", "data_policies"],
      },
    ],
  },
];

/** When the first model counts as done: served to real users, watched, with proven value, and undoable. */
export const doneWhen: readonly { readonly what: string; readonly by: readonly CheckName[] }[] = [
  { what: "It serves real callers in production", by: ["endpoint_live", "load_seen"] },
  { what: "It came there by gates and a canary", by: ["gates_passed", "promoted", "canary_passed"] },
  { what: "It can be made again", by: ["training_reproducible", "version_signed"] },
  { what: "It can be taken back, and something answers without it", by: ["way_back", "fallback_designed"] },
  { what: "Its drift and its mistakes are seen", by: ["drift_counted", "alerts_routed"] },
  { what: "What it is worth is measured by outcomes", by: ["outcomes_reported"] },
  { what: "Its charter is in force and enforced", by: ["charter_signed", "controls_enforced"] },
  {
    what: "Every answer is on the record, and people decide where they must",
    by: ["answers_recorded", "explained", "reviewed"],
  },
  { what: "Its cost is bounded and metered", by: ["budget_ceiling", "usage_metered"] },
];

export interface Tick {
  readonly what: string;
  readonly state: "done" | "open" | "overdue";
  /** When the last of its checks came to hold. */
  readonly doneAt?: number;
  readonly missing: readonly CheckName[];
  readonly by: readonly CheckName[];
}

export interface RoadStep extends Tick {
  readonly period: string;
  /** When it is due, epoch microseconds; absent: it has no end. */
  readonly dueAt?: number;
  /** It was done, and after it was due. */
  readonly isLate: boolean;
}

export type Results = ReadonlyMap<CheckName, CheckResult>;

/** Ticks every road by evidence. Pure. */
export function tickRoads(
  facts: Pick<UseCaseFacts, "useCase" | "now">,
  results: Results,
): { readonly name: string; readonly source: string; readonly steps: readonly RoadStep[] }[] {
  return roads.map(({ name, source, steps }) => ({
    name,
    source,
    steps: steps.map(({ period, dueDay, what, by }): RoadStep => {
      const dueAt = dueDay === undefined ? undefined : facts.useCase.createdAt + dueDay * dayMicros;
      const one = tick(what, by, results);
      const isOver = one.state === "open" && dueAt !== undefined && facts.now > dueAt;
      return {
        ...one,
        ...(isOver ? { state: "overdue" } : {}),
        period,
        ...(dueAt === undefined ? {} : { dueAt }),
        isLate: dueAt !== undefined && one.doneAt !== undefined && one.doneAt > dueAt,
      };
    }),
  }));
}

/** The definition of done of the first model. Pure. */
export function tickDone(results: Results): Tick[] {
  return doneWhen.map(({ what, by }) => tick(what, by, results));
}

function tick(what: string, by: readonly CheckName[], results: Results): Tick {
  const own = by.flatMap((name) => results.get(name) ?? []);
  const missing = own.filter((one) => !holds(one)).map(({ check }) => check.name);
  if (missing.length > 0) return { what, state: "open", missing, by };
  return { what, state: "done", doneAt: Math.max(...own.map((one) => heldSince(one) ?? 0)), missing, by };
}

/** How the first production model stands in time. */
export interface FirstModel {
  readonly verdict: "in_time" | "late" | "on_the_way" | "overdue";
  /** Whole days from the use case's beginning to the first production endpoint, or to now. */
  readonly days: number;
  readonly targetDays: number;
  readonly liveAt?: number;
}

/** Pure. */
export function judgeFirstModel(
  { useCase, now }: Pick<UseCaseFacts, "useCase" | "now">,
  results: Results,
): FirstModel {
  const endpoint = results.get("endpoint_live");
  const liveAt = endpoint && heldSince(endpoint);
  const days = Math.max(0, Math.floor(((liveAt ?? now) - useCase.createdAt) / dayMicros));
  const isInTime = days <= firstModelDays;
  if (liveAt === undefined)
    return { verdict: isInTime ? "on_the_way" : "overdue", days, targetDays: firstModelDays };
  return { verdict: isInTime ? "in_time" : "late", days, targetDays: firstModelDays, liveAt };
}
