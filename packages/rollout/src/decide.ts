import { addMicros, type EpochMicros, formatInstant, microsPerSecond } from "@portolan/kernel";
import type { RateBounds } from "./evidence/rate-bounds.ts";
import { divergenceGuard } from "./judge-divergence.ts";
import {
  boundsOf,
  falseAbortRate,
  type GuardVerdict,
  judgedGuards,
  judgeGuards,
  noCounts,
  type StepEvidence,
  silentEvents,
  withMargin,
} from "./judge-guards.ts";
import type { ReleasePlan } from "./plan.ts";

/** What a release is judged by, besides its evidence. */
export interface ReleaseStanding {
  readonly plan: ReleasePlan;
  /** Index of the present step; −1 before the first. */
  readonly step: number;
  /** When gateways could first answer by the present step; undefined while they cannot. */
  readonly stepSince: EpochMicros | undefined;
  readonly startedAt: EpochMicros;
  readonly isPaused: boolean;
  /** Approvals that it lacks before the candidate may answer anybody. */
  readonly approvalsLacking: number;
}

/** What becomes of a release now, and why. */
export type Decision =
  | { readonly kind: "hold"; readonly reasons: readonly string[] }
  /** To the step of that index. */
  | { readonly kind: "advance"; readonly to: number; readonly reasons: readonly string[] }
  | { readonly kind: "promote"; readonly reasons: readonly string[] }
  | { readonly kind: "roll_back"; readonly reasons: readonly string[] }
  | { readonly kind: "inconclusive"; readonly reasons: readonly string[] };

/**
 * What to do with a release. Harm is answered at any time, also while it is paused; nothing but evidence moves it on: no requests, no metrics
 * and no time hold it. Pure.
 *
 * @param evidence of the steps so far, the present one last
 */
export function decide(
  standing: ReleaseStanding,
  evidence: readonly StepEvidence[],
  now: EpochMicros,
): Decision {
  const { plan, step } = standing;
  const guards = judgeGuards(plan, evidence);
  const harms = [
    ...guards.filter(({ isHarmed }) => isHarmed).map(harmText),
    ...internalHarms(plan, evidence),
  ];
  if (harms.length > 0) return { kind: "roll_back", reasons: harms };
  if (now - standing.startedAt >= plan.deadlineSeconds * microsPerSecond)
    return {
      kind: "inconclusive",
      reasons: [`undecided after ${plan.deadlineSeconds} s`, ...holding(standing, evidence, guards, now)],
    };
  const reasons = holding(standing, evidence, guards, now);
  if (reasons.length > 0) return { kind: "hold", reasons };
  if (step + 1 < plan.steps.length)
    return { kind: "advance", to: step + 1, reasons: [exposureText(evidence[step])] };
  return { kind: "promote", reasons: guards.map(noWorseText) };
}

/** Why a release does not move on; empty when it does. */
function holding(
  standing: ReleaseStanding,
  evidence: readonly StepEvidence[],
  guards: readonly GuardVerdict[],
  now: EpochMicros,
): string[] {
  const { plan, step, isPaused, approvalsLacking } = standing;
  const next = plan.steps[step + 1];
  return [
    ...(isPaused ? ["paused"] : []),
    ...(next && next.kind !== "shadow" && approvalsLacking > 0 ? [approvalsText(approvalsLacking)] : []),
    ...(step < 0 ? [] : exposureLacking(standing, evidence[step], now)),
    ...(next || step < 0
      ? []
      : [
          ...guards.filter(({ isNoWorse }) => !isNoWorse).map((verdict) => notShownText(verdict, plan)),
          ...silentEvents(plan, evidence).map((event) => `no data: ${event} was reported of neither version`),
        ]),
  ];
}

/** That so many approvals are waited for. */
export function approvalsText(lacking: number): string {
  return `waits for ${lacking} approval${lacking === 1 ? "" : "s"}`;
}

function exposureLacking(
  { plan, step, stepSince }: ReleaseStanding,
  evidence: StepEvidence | undefined,
  now: EpochMicros,
): string[] {
  const present = plan.steps[step];
  if (!present) return [];
  if (stepSince === undefined) return ["waits for gateways to take the step"];
  const { candidate, control } = evidence ?? { candidate: noCounts, control: noCounts };
  const { requests } = candidate;
  const notBefore = addMicros(stepSince, present.leastSeconds * microsPerSecond);
  const isAlone = present.kind === "canary" && control.requests === 0;
  return [
    ...(requests === 0 ? ["no data: the candidate has had no requests in this step"] : []),
    ...(requests > 0 && requests < present.leastRequests
      ? [`${requests} of ${present.leastRequests} requests`]
      : []),
    ...(requests > 0 && isAlone ? ["no data: the champion has had no requests to compare with"] : []),
    ...(now < notBefore ? [`not before ${formatInstant(notBefore)}`] : []),
  ];
}

/**
 * Who is named is no random share, so that a share of events says nothing: the candidate is harmful when its rate is beyond the champion's and
 * the margin, by the bounds of both.
 */
function internalHarms(plan: ReleasePlan, evidence: readonly StepEvidence[]): string[] {
  const isInternal = (at: number): boolean => plan.steps[at]?.kind === "internal";
  // Who is named may well be answered otherwise than all others.
  const guards = judgedGuards(plan).filter((guard) => guard !== divergenceGuard);
  const alpha = falseAbortRate / guards.length / plan.steps.filter((_, at) => isInternal(at)).length / 2;
  // Those before the present one too: gateways may still answer by them, and records come late.
  return evidence.flatMap((counts, at) =>
    guards.flatMap((guard) => {
      if (!isInternal(at) || counts.control.requests === 0) return [];
      const [candidate, control] = [counts.candidate, counts.control].map((arm) =>
        boundsOf(arm, guard, alpha),
      );
      return candidate && control && candidate.low > withMargin(control.high, plan.margin)
        ? [`${guard}: at least ${percent(candidate.low)} beside at most ${percent(control.high)}`]
        : [];
    }),
  );
}

function harmText(verdict: GuardVerdict): string {
  const { logEvidence, logBound, candidate, control } = verdict;
  const times = (log: number): string => Math.exp(Math.min(log, 50)).toPrecision(3);
  return `${nameOf(verdict)}: evidence of harm ${times(logEvidence)}, bound ${times(logBound)} (candidate ${range(candidate)}, champion ${range(control)})`;
}

function notShownText(verdict: GuardVerdict, { margin }: ReleasePlan): string {
  const { guard, answers, candidate, control } = verdict;
  if (answers)
    return `${nameOf(verdict)}: not shown to be alike (candidate ${range(candidate)}, champion ${range(control)})`;
  return `${guard}: not shown to be no worse: candidate up to ${percent(candidate.high)}, allowed ${percent(withMargin(control.low, margin))}`;
}

function noWorseText(verdict: GuardVerdict): string {
  const { candidate, control } = verdict;
  return `${nameOf(verdict)}: no worse (candidate ${range(candidate)}, champion ${range(control)})`;
}

/** A guard, with the answers that it is about. */
function nameOf({ guard, answers }: GuardVerdict): string {
  if (!answers) return guard;
  const { from, to } = answers;
  const ends = [from === null ? [] : [`from ${from}`], to === null ? [] : [`below ${to}`]].flat();
  return `${guard} (answers ${ends.join(", ")})`;
}

function exposureText(evidence: StepEvidence | undefined): string {
  return evidence ? `no harm in ${evidence.candidate.requests} requests` : "started";
}

function range({ low, high }: RateBounds): string {
  return `${percent(low)} to ${percent(high)}`;
}

function percent(rate: number): string {
  return `${(100 * rate).toFixed(2)} %`;
}
