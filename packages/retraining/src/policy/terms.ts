import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { parseDurationMs } from "@portolan/kernel";
import type { RetrainingPolicy, RetrainingTerms } from "../contract.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What holds where neither the charter nor a policy says otherwise. */
export const defaultTerms = {
  /** Windows of a day that are looked at, and of them those that must say the same: more than half, so that one set of windows never says both. */
  windows: { of: 3, least: 2 },
  /** How far on the right side of the level a window lies that closes an incident, in the metric's unit. */
  closeMargin: 0.01,
  /** A day is the window of labels: before, nothing new is known of what came of the last one. */
  coolDownHours: 24,
  mostRuns: 4,
  periodDays: 30,
  /** Part of the rows that is held out, the newest. */
  heldOutShare: 0.2,
} as const;

/**
 * When an endpoint's model is trained again. What starts it is the charter's word wherever the charter has one; the policy says how patiently, how
 * often and on what. Drift alone starts nothing but by a charter. Pure.
 *
 * @param charter in force; absent where there is none
 */
export function retrainingTerms(
  charter: CharterDocument | undefined,
  policy: RetrainingPolicy | undefined,
): RetrainingTerms {
  const stated = charter?.retraining;
  const bound = charter && termsOf(charter).accuracy;
  const every = stated ? durationMs(stated.every) : hoursMs(policy?.everyHours);
  const level = stated ? stated.onAccuracyBelow : policy?.onAccuracyBelow;
  const { windows, closeMargin, coolDownHours, mostRuns, periodDays, heldOutShare } = {
    ...defaultTerms,
    ...policy,
  };
  return {
    source: stated ? "charter" : policy ? "policy" : "none",
    isPaused: policy?.isPaused ?? false,
    ...(every === undefined ? {} : { everyMs: every }),
    onDrift: driftRule(stated, policy),
    ...((stated ?? policy)?.onConceptDrift ? { onConceptDrift: true } : {}),
    ...(bound
      ? {
          accuracy: {
            metric: bound.metric,
            kind: bound.kind,
            open: level ?? bound.value,
            close: closeLevel(bound.kind, level ?? bound.value, closeMargin),
            isTrigger: level !== undefined,
          },
        }
      : {}),
    approval: stated ? stated.approval : (policy?.approval ?? "team_lead"),
    windows,
    // A schedule that is shorter than the usual rest is kept, unless somebody states the rest.
    coolDownMs:
      policy?.coolDownHours === undefined && every
        ? Math.min(every, coolDownHours * hourMs)
        : coolDownHours * hourMs,
    mostRuns: Math.max(mostRuns, every ? Math.ceil((periodDays * dayMs) / every) : 0),
    periodMs: periodDays * dayMs,
    ...(policy?.budgetHours === undefined ? {} : { budgetMs: policy.budgetHours * hourMs }),
    ...(policy?.budgetPerMonth === undefined ? {} : { budgetPerMonth: policy.budgetPerMonth }),
    ...(policy?.trainingDays === undefined ? {} : { trainingMs: policy.trainingDays * dayMs }),
    heldOutShare,
    ...(policy?.release ? { release: policy.release } : {}),
  };
}

function durationMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}

function hoursMs(hours: number | undefined): number | undefined {
  return hours === undefined ? undefined : hours * hourMs;
}

function driftRule(
  stated: CharterDocument["retraining"],
  policy: RetrainingPolicy | undefined,
): RetrainingTerms["onDrift"] {
  if (!stated) return policy?.onDrift ?? "never";
  return stated.onDrift === true ? "alone" : stated.onAccuracyBelow === undefined ? "never" : "with_harm";
}

function closeLevel(kind: "floor" | "ceiling", open: number, margin: number): number {
  return kind === "floor" ? open + margin : open - margin;
}

/** What a policy states that is the charter's to say; empty when it may be set. Pure. */
export function contradictions(charter: CharterDocument | undefined, policy: RetrainingPolicy): string[] {
  const { windows } = policy;
  const charters = (
    ["everyHours", "onDrift", "onConceptDrift", "onAccuracyBelow", "approval"] as const
  ).filter((member) => charter?.retraining && policy[member] !== undefined);
  return [
    ...charters.map((member) => `${member} is the charter's to say, under retraining`),
    ...(windows && (2 * windows.least <= windows.of || windows.least > windows.of)
      ? [`windows.least must be more than half of windows.of, and at most all of them`]
      : []),
  ];
}
