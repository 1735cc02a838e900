import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { assumptionsOf } from "./assumptions.ts";
import { choosePlacement } from "./placement-choice.ts";
import { chooseTier, type Tier } from "./tier.ts";

/** What was measured of a version on a processor, one row a run. */
export interface MeasuredCompute {
  readonly p95Ms: number;
  readonly cpuMs: number;
  readonly modelBytes: number;
}

/** The hardware that a version wants, beside what the plan took for granted. */
export interface ComputeJudgement {
  /** By the measurement. */
  readonly tier: Tier;
  /** By the charter alone, as the plan was made. */
  readonly plannedTier: Tier;
  /** Sentences for people; empty: plan and measurement agree. */
  readonly disagreements: readonly string[];
}

/**
 * Holds a measurement against the charter and its plan; `undefined` where the charter lets inference be made nowhere. Pure.
 */
export function judgeCompute(
  document: CharterDocument,
  measured: MeasuredCompute,
): ComputeJudgement | undefined {
  const { chosen } = choosePlacement(document, "inference");
  if (chosen === undefined) return undefined;
  const known = { cpuLatencyMsP95: measured.p95Ms, modelBytes: measured.modelBytes };
  const planned = chooseTier(document, assumptionsOf(document, {}), {}, chosen);
  const actual = chooseTier(document, assumptionsOf(document, known), known, chosen);
  const { latencyMsP95 } = termsOf(document);
  const assumed = assumptionsOf(document, {}).cpuMsPerPrediction.value;
  const disagreements = [
    ...(planned.tier === actual.tier
      ? []
      : [
          `the plan takes ${named(planned.tier)} (${planned.reasons.join(", ")}), the measurement says ${named(actual.tier)} (${actual.reasons.join(", ")})`,
        ]),
    ...(measured.p95Ms > latencyMsP95
      ? [
          `the model alone takes ${shown(measured.p95Ms)} at p95, and the charter promises ${shown(latencyMsP95)} for the whole answer`,
        ]
      : []),
    ...(measured.cpuMs > assumed.high
      ? [
          `a prediction takes ${shown(measured.cpuMs)} of CPU in the model alone, and the plan costs at most ${shown(assumed.high)}`,
        ]
      : []),
  ];
  return { tier: actual.tier, plannedTier: planned.tier, disagreements };
}

function named(tier: Tier): string {
  return { cpu: "a CPU", gpu: "a GPU", edge: "an edge device" }[tier];
}

function shown(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}
