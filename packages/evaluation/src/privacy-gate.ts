import type { PrivacyTerms } from "@portolan/charter/contract";
import { privacyLossOf } from "@portolan/numerics";
import type { GateResult } from "./evidence-shapes.ts";

/** Name of the gate that bounds the privacy loss of a training. */
export const privacyGate = "privacy";

/** What is on record of a training by DP-SGD. */
export interface DeclaredPrivacy {
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly steps: number;
  /** `reproducible`: whoever reads the run can take the noise off. */
  readonly noise: "secret" | "reproducible";
}

/**
 * Differential privacy of a version's training (docs/spec/promotion-gates.md, G13), computed anew at the charter's δ. Pure.
 *
 * @param declared of the run that made it; `undefined` where none did, or not by the shipped program
 */
export function judgePrivacy(
  declared: DeclaredPrivacy | undefined,
  { maximumEpsilon, delta }: PrivacyTerms,
): GateResult {
  const required = `ε <= ${maximumEpsilon} at δ = ${delta}, for each row`;
  const result = (passed: boolean, observed: string): GateResult => ({
    gate: privacyGate,
    passed,
    observed,
    required,
  });
  if (!declared) return result(false, "not trained here by the shipped DP-SGD program");
  if (declared.noise === "reproducible")
    return result(false, "the noise can be made again from the run's seed, which hides nothing");
  const { epsilon } = privacyLossOf({ ...declared, delta });
  return result(epsilon <= maximumEpsilon, `ε = ${epsilon.toFixed(4)}`);
}
