import type { RetrainingTerms } from "../contract.ts";
import type { AccuracyStanding } from "./hysteresis.ts";

/** What is known of an endpoint when it is decided; times are epoch microseconds. */
export interface RetrainingStanding {
  readonly accuracy: AccuracyStanding;
  readonly isDrifting: boolean;
  /** Outcomes show its predictions to be wrong more often than they were. */
  readonly hasConceptDrift: boolean;
  /** When the model that answers was registered. */
  readonly championSince: number;
  /** Starts of its retrainings, in any order. */
  readonly starts: readonly number[];
  readonly lastEndedAt?: number | undefined;
  /** A retraining of the use case that is under way. */
  readonly running?: string | undefined;
}

/** What starts a retraining without anybody asking. */
export type Trigger = "accuracy" | "concept_drift" | "drift" | "drift_with_harm" | "schedule";

/** What keeps one back that something would start, before anybody asks whether there is room. */
type KeptBackBy = "paused" | "under_way" | "cool_down" | "starts";

interface KeptBack {
  readonly by: KeptBackBy;
  readonly because: string;
}

export type RetrainingDecision =
  | { readonly kind: "nothing" }
  /** Something would start one, and something else keeps it back. */
  | ({ readonly kind: "held"; readonly trigger: Trigger } & KeptBack)
  | { readonly kind: "start"; readonly trigger: Trigger };

/** Whether an endpoint's model is to be trained again now. The same standing gives the same decision. Pure. */
export function decideRetraining(
  terms: RetrainingTerms,
  standing: RetrainingStanding,
  now: number,
): RetrainingDecision {
  const trigger = triggerOf(terms, standing, now);
  if (trigger === undefined) return { kind: "nothing" };
  const back = keptBack(terms, standing, now);
  return back === undefined ? { kind: "start", trigger } : { kind: "held", trigger, ...back };
}

function triggerOf(
  { accuracy, onDrift, onConceptDrift, everyMs }: RetrainingTerms,
  { accuracy: found, isDrifting, hasConceptDrift, championSince, starts }: RetrainingStanding,
  now: number,
): Trigger | undefined {
  if (accuracy?.isTrigger && found.isOpen) return "accuracy";
  if (onConceptDrift && hasConceptDrift) return "concept_drift";
  if (onDrift === "alone" && isDrifting) return "drift";
  if (onDrift === "with_harm" && isDrifting && (found.isWeak || found.isOpen)) return "drift_with_harm";
  const last = Math.max(championSince, ...starts);
  return everyMs !== undefined && now - last >= everyMs * 1000 ? "schedule" : undefined;
}

function keptBack(terms: RetrainingTerms, standing: RetrainingStanding, now: number): KeptBack | undefined {
  const { isPaused, coolDownMs } = terms;
  const { running, lastEndedAt } = standing;
  if (isPaused) return { by: "paused", because: "retraining is paused by its policy" };
  if (running !== undefined) return { by: "under_way", because: `${running} is under way` };
  if (lastEndedAt !== undefined && now - lastEndedAt < coolDownMs * 1000)
    return {
      by: "cool_down",
      because: `the last one ended less than ${coolDownMs / 3_600_000} hours ago`,
    };
  const because = beyondRuns(terms, standing.starts, now);
  return because === undefined ? undefined : { by: "starts", because };
}

/** Why another one would be more than the period allows; also what people ask for is held to it. Pure. */
export function beyondRuns(
  { mostRuns, periodMs }: Pick<RetrainingTerms, "mostRuns" | "periodMs">,
  starts: readonly number[],
  now: number,
): string | undefined {
  const within = starts.filter((start) => now - start < periodMs * 1000).length;
  return within < mostRuns
    ? undefined
    : `${within} were started within ${periodMs / 86_400_000} days, and ${mostRuns} are allowed`;
}
