import { combineSteps, logHarmEvidence } from "./evidence/harm-evidence.ts";
import { type RateBounds, rateBounds } from "./evidence/rate-bounds.ts";
import type { ReleasePlan, ReleaseStep } from "./plan.ts";

/** What is counted of requests: one of each kind at most per request. */
export interface ArmCounts {
  readonly requests: number;
  readonly errors: number;
  readonly slow: number;
  readonly fallbacks: number;
}

/** What came of a step: the candidate's requests, and those that the champion had meanwhile. */
export interface StepEvidence {
  readonly candidate: ArmCounts;
  readonly control: ArmCounts;
}

export const guardNames = ["errors", "slow", "fallbacks"] as const;
export type GuardName = (typeof guardNames)[number];

/** Chance that a release without harm is ever rolled back by a test, over all guards and looks together. */
export const falseAbortRate = 0.01;
/** Parts of it by guard (weighted Bonferroni): late answers and fallbacks are more frequent than errors, and are found sooner. */
const guardWeights: Readonly<Record<GuardName, number>> = { errors: 0.7, slow: 0.15, fallbacks: 0.15 };
/** Chance that a candidate is called no worse when it is, by guard. */
const falsePromotionRate = 0.05;

export const noCounts: ArmCounts = { requests: 0, errors: 0, slow: 0, fallbacks: 0 };

/** How a guard stands. */
export interface GuardVerdict {
  readonly guard: GuardName;
  /** ln of the e-value of harm; the guard is harmed from `logBound` on. */
  readonly logEvidence: number;
  readonly logBound: number;
  readonly isHarmed: boolean;
  /** In the canary steps so far. */
  readonly candidate: RateBounds;
  readonly control: RateBounds;
  /** The candidate is at most the margin worse, whatever of its bounds is true. */
  readonly isNoWorse: boolean;
}

/**
 * Every guard of a release by what was counted in its steps so far, the present one last. Pure: the same counts give the same verdict.
 */
export function judgeGuards(plan: ReleasePlan, evidence: readonly StepEvidence[]): GuardVerdict[] {
  return judgedGuards(plan).map((guard) => {
    const { logEvidence, logBound } = harmOf(plan, evidence, guard);
    const canaries = evidence.filter((_, at) => plan.steps[at]?.kind === "canary");
    const bounds = (arm: keyof StepEvidence): RateBounds => {
      const { [guard]: events, requests } = sumOf(canaries.map((counts) => counts[arm]));
      return rateBounds(events, requests, falsePromotionRate / 2);
    };
    const [candidate, control] = [bounds("candidate"), bounds("control")];
    const isHarmed = logEvidence >= logBound;
    return {
      guard,
      logEvidence,
      logBound,
      isHarmed,
      candidate,
      control,
      isNoWorse: !isHarmed && candidate.high <= withMargin(control.low, plan.margin),
    };
  });
}

/** Guards of a release: latency is one where answers can be late. */
export function judgedGuards({ slowMs }: Pick<ReleasePlan, "slowMs">): readonly GuardName[] {
  return guardNames.filter((guard) => guard !== "slow" || slowMs !== null);
}

/** Evidence that a guard is harmed, and the bound that it takes; logarithms. Pure. */
export function harmOf(
  plan: ReleasePlan,
  evidence: readonly StepEvidence[],
  guard: GuardName,
): Pick<GuardVerdict, "logEvidence" | "logBound"> {
  const weights = judgedGuards(plan).reduce((sum, name) => sum + guardWeights[name], 0);
  const logs = evidence.flatMap((counts, at) => logOfStep(plan, plan.steps[at], guard, counts));
  const planned = plan.steps.filter((step) => isCompared(step, guard)).length;
  return {
    logEvidence: combineSteps(logs, planned),
    logBound: -Math.log((falseAbortRate * guardWeights[guard]) / weights),
  };
}

/** The largest rate that is no worse than this one. */
export function withMargin(rate: number, { relative, absolute }: ReleasePlan["margin"]): number {
  return Math.max(rate * (1 + relative), rate + absolute);
}

export function sumOf(counts: readonly ArmCounts[]): ArmCounts {
  return counts.reduce(
    (sum, { requests, errors, slow, fallbacks }) => ({
      requests: sum.requests + requests,
      errors: sum.errors + errors,
      slow: sum.slow + slow,
      fallbacks: sum.fallbacks + fallbacks,
    }),
    noCounts,
  );
}

/** A shadow's copies wait behind every caller's request and have no fallback: only its errors say something of it. */
function isCompared(step: ReleaseStep, guard: GuardName): boolean {
  return step.kind === "canary" || (step.kind === "shadow" && guard === "errors");
}

function logOfStep(
  plan: ReleasePlan,
  step: ReleaseStep | undefined,
  guard: GuardName,
  { candidate, control }: StepEvidence,
): number[] {
  if (!step || !isCompared(step, guard)) return [];
  const share = shareOf(plan, step, candidate.requests, control.requests);
  return share < 1 ? [logHarmEvidence({ candidate: candidate[guard], control: control[guard], share })] : [0];
}

/**
 * The part of all requests that the candidate was given. Where the key of the split is the caller's or the like, a few keys with much
 * traffic give another share than the plan: then the larger of the two, which takes nothing for harm that is only traffic.
 */
function shareOf(plan: ReleasePlan, step: ReleaseStep, candidate: number, control: number): number {
  if (step.kind === "shadow") return step.sample / (1 + step.sample);
  const planned = step.kind === "canary" ? step.percent / 100 : 0;
  const total = candidate + control;
  return plan.sticky === "request" || total === 0 ? planned : Math.max(planned, candidate / total);
}
