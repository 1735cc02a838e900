import type { CountedAnswers } from "./evidence/divergence-evidence.ts";
import { combineSteps, logHarmEvidence } from "./evidence/harm-evidence.ts";
import { type RateBounds, rateBounds } from "./evidence/rate-bounds.ts";
import { type AnswerCell, divergenceBounds, divergenceGuard, logOfAnswers } from "./judge-divergence.ts";
import type { ReleasePlan, ReleaseStep } from "./plan.ts";

/** What is counted of requests: one of each kind at most per request. */
export interface ArmCounts {
  readonly requests: number;
  readonly errors: number;
  readonly slow: number;
  readonly fallbacks: number;
  /** Answers that have an outcome, and those of them that were wrong; where the plan asks. */
  readonly labelled?: number;
  readonly wrong?: number;
  /** Answers by cell of what they say; where the plan asks. Not more than the plan has; those beyond the last one are 0. */
  readonly cells?: readonly number[];
  /** Events that were heard of elsewhere, by their names in the plan. */
  readonly posted?: Readonly<Record<string, number>>;
}

/** What came of a step: the candidate's requests, and those that the champion had meanwhile. */
export interface StepEvidence {
  readonly candidate: ArmCounts;
  readonly control: ArmCounts;
}

/** Guards that records tell of. */
export const guardNames = ["errors", "slow", "fallbacks"] as const;

/** Chance that a release without harm is ever rolled back by a test, over all guards and looks together. */
export const falseAbortRate = 0.01;
/** Parts of it by guard (weighted Bonferroni): late answers and fallbacks are more frequent than errors, and are found sooner. */
const weightOf = (guard: string): number => (guard === "errors" ? 0.7 : 0.15);
/** Chance that a candidate is called no worse when it is, by guard. */
const falsePromotionRate = 0.05;

export const noCounts: ArmCounts = { requests: 0, errors: 0, slow: 0, fallbacks: 0 };

/** How a guard stands. */
export interface GuardVerdict {
  /** One of `guardNames`, `wrong`, `diverged`, or an event of the plan. */
  readonly guard: string;
  /** ln of the e-value of harm; the guard is harmed from `logBound` on. */
  readonly logEvidence: number;
  readonly logBound: number;
  readonly isHarmed: boolean;
  /** In the present step, where it is a canary: what went wrong in earlier ones went wrong at other times and shares. */
  readonly candidate: RateBounds;
  readonly control: RateBounds;
  /** Of `diverged`: the answers whose shares the rates are, those that differ most. */
  readonly answers?: AnswerCell;
  /** The candidate is at most the margin worse, whatever of its bounds is true. */
  readonly isNoWorse: boolean;
}

/**
 * Every guard of a release by what was counted in its steps so far, the present one last. Pure: the same counts give the same verdict.
 */
export function judgeGuards(plan: ReleasePlan, evidence: readonly StepEvidence[]): GuardVerdict[] {
  return judgedGuards(plan).map((guard) => {
    const { logEvidence, logBound } = harmOf(plan, evidence, guard);
    const present = canaryNow(plan, evidence);
    const isHarmed = logEvidence >= logBound;
    if (guard === divergenceGuard && plan.divergence) {
      const { cell, isAlike, ...shares } = sharesNow(plan, plan.divergence, present);
      return {
        guard,
        logEvidence,
        logBound,
        isHarmed,
        answers: cell,
        ...shares,
        isNoWorse: !isHarmed && isAlike,
      };
    }
    const bounds = (arm: keyof StepEvidence): RateBounds =>
      boundsOf(present?.[arm] ?? noCounts, guard, falsePromotionRate / 2);
    const [candidate, control] = [bounds("candidate"), bounds("control")];
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

function sharesNow(
  plan: ReleasePlan,
  rule: NonNullable<ReleasePlan["divergence"]>,
  present: StepEvidence | undefined,
) {
  const step = plan.steps.findLast(({ kind }) => kind === "canary");
  const answers = answersOf(plan, step, present ?? { candidate: noCounts, control: noCounts });
  return divergenceBounds(rule, answers, { margin: plan.margin, alpha: falsePromotionRate / 2 });
}

/** What was counted in the present step, where it is a canary. */
function canaryNow(plan: ReleasePlan, evidence: readonly StepEvidence[]): StepEvidence | undefined {
  return plan.steps[evidence.length - 1]?.kind === "canary" ? evidence.at(-1) : undefined;
}

/** Events of the plan that nobody has reported in any step, of either version: a stream that says nothing is no evidence. */
export function silentEvents(plan: ReleasePlan, evidence: readonly StepEvidence[]): string[] {
  const arms = evidence.flatMap(({ candidate, control }) => [candidate, control]);
  const heard = (event: string): boolean => arms.some((counts) => eventsOf(counts, event) > 0);
  return plan.events.filter((event) => !heard(event));
}

/** Guards of a release: latency is one where answers can be late, accuracy where the plan says what is wrong, likeness of answers where it says how alike, and so is each event of the plan. */
export function judgedGuards({
  slowMs,
  events,
  wrong,
  divergence,
}: Pick<ReleasePlan, "slowMs" | "events" | "wrong" | "divergence">): string[] {
  return [
    ...guardNames.filter((guard) => guard !== "slow" || slowMs !== null),
    ...(wrong ? ["wrong"] : []),
    ...(divergence ? [divergenceGuard] : []),
    ...events,
  ];
}

/** Bounds of a guard's rate that hold at all looks at once with probability 1 − `alpha`. */
export function boundsOf(counts: ArmCounts, guard: string, alpha: number): RateBounds {
  const of = guard === "wrong" ? (counts.labelled ?? 0) : counts.requests;
  // An event may be posted a moment before its request is counted.
  return rateBounds(Math.min(eventsOf(counts, guard), of), of, alpha);
}

function eventsOf({ errors, slow, fallbacks, wrong = 0, posted }: ArmCounts, guard: string): number {
  const recorded: Readonly<Record<string, number>> = { errors, slow, fallbacks, wrong };
  return recorded[guard] ?? posted?.[guard] ?? 0;
}

/** Evidence that a guard is harmed, and the bound that it takes; logarithms. Pure. */
export function harmOf(
  plan: ReleasePlan,
  evidence: readonly StepEvidence[],
  guard: string,
): Pick<GuardVerdict, "logEvidence" | "logBound"> {
  const weights = judgedGuards(plan).reduce((sum, name) => sum + weightOf(name), 0);
  const logs = evidence.flatMap((counts, at) => logOfStep(plan, plan.steps[at], guard, counts));
  const planned = plan.steps.filter((step) => isCompared(step, guard)).length;
  return {
    logEvidence: combineSteps(logs, planned),
    logBound: -Math.log((falseAbortRate * weightOf(guard)) / weights),
  };
}

/** The largest rate that is no worse than this one. */
export function withMargin(rate: number, { relative, absolute }: ReleasePlan["margin"]): number {
  return Math.max(rate * (1 + relative), rate + absolute);
}

export function sumOf(counts: readonly ArmCounts[]): ArmCounts {
  return counts.reduce(
    (sum, { requests, errors, slow, fallbacks, labelled, wrong, cells, posted }) => ({
      requests: sum.requests + requests,
      errors: sum.errors + errors,
      slow: sum.slow + slow,
      fallbacks: sum.fallbacks + fallbacks,
      ...(labelled === undefined && sum.labelled === undefined
        ? {}
        : { labelled: (sum.labelled ?? 0) + (labelled ?? 0), wrong: (sum.wrong ?? 0) + (wrong ?? 0) }),
      ...(cells || sum.cells ? { cells: sumOfCells(sum.cells ?? [], cells ?? []) } : {}),
      ...(posted || sum.posted ? { posted: sumOfPosted(sum.posted ?? {}, posted ?? {}) } : {}),
    }),
    noCounts,
  );
}

function sumOfCells(a: readonly number[], b: readonly number[]): number[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, at) => (a[at] ?? 0) + (b[at] ?? 0));
}

type Posted = NonNullable<ArmCounts["posted"]>;

function sumOfPosted(a: Posted, b: Posted): Posted {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(names.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}

/** A shadow's copies wait behind every caller's request and have no fallback: only its errors say something of it. */
function isCompared(step: ReleaseStep, guard: string): boolean {
  return step.kind === "canary" || (step.kind === "shadow" && guard === "errors");
}

function logOfStep(
  plan: ReleasePlan,
  step: ReleaseStep | undefined,
  guard: string,
  counts: StepEvidence,
): number[] {
  if (!step || !isCompared(step, guard)) return [];
  if (guard === divergenceGuard && plan.divergence)
    return [logOfAnswers(plan.divergence, answersOf(plan, step, counts))];
  const { candidate, control } = counts;
  const share = shareOf(plan, step, candidate.requests, control.requests);
  const events = { candidate: eventsOf(candidate, guard), control: eventsOf(control, guard) };
  return share < 1 ? [logHarmEvidence({ ...events, share })] : [0];
}

function answersOf(
  plan: ReleasePlan,
  step: ReleaseStep | undefined,
  { candidate, control }: StepEvidence,
): CountedAnswers {
  const cells = ({ cells: counted = [] }: ArmCounts): number[] =>
    Array.from({ length: (plan.divergence?.edges.length ?? 0) + 1 }, (_, at) => counted[at] ?? 0);
  const share = step ? shareOf(plan, step, candidate.requests, control.requests) : 1;
  const total = candidate.requests + control.requests;
  const planned = step?.kind === "canary" ? 1 - step.percent / 100 : 1;
  // Of the two directions each takes the larger share that its version may have had.
  const controlShare =
    plan.sticky === "request" || total === 0 ? planned : Math.max(planned, control.requests / total);
  return { candidate: cells(candidate), control: cells(control), share, controlShare };
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
