import { readFileSync } from "node:fs";
import { digestBytes } from "@portolan/kernel";
import { privacyLossOf } from "@portolan/numerics";
import type { TrainingPrivacy, TrainingRunRequest } from "./contract.ts";

let shipped: string | undefined;

/** Digest of the one program whose privacy is known: `programs/dp_sgd.py`. */
export function privateTrainer(): string {
  shipped ??= digestBytes(readFileSync(new URL("../programs/dp_sgd.py", import.meta.url)));
  return shipped;
}

/** A run names its δ; where it does not, this one, which is small for fewer than a million rows. */
const usualDelta = 1e-6;

/**
 * What privacy a run keeps, computed here from what it was asked to do. Only the shipped program is known to do it, by its digest: of any other one, whatever it says
 * of itself, and of one that started from a model, nothing is said.
 */
export function privacyOf({
  code,
  params,
  baseModel,
}: Pick<TrainingRunRequest, "code" | "params" | "baseModel">): TrainingPrivacy | undefined {
  if (code !== privateTrainer() || baseModel) return undefined;
  const { noise_multiplier: noiseMultiplier, sampling_rate: samplingRate, steps, reproducible } = params;
  const delta = params["delta"] ?? usualDelta;
  if (
    typeof noiseMultiplier !== "number" ||
    typeof samplingRate !== "number" ||
    typeof steps !== "number" ||
    typeof delta !== "number"
  )
    return undefined;
  const did = { noiseMultiplier, samplingRate, steps, delta };
  try {
    const { epsilon, order } = privacyLossOf(did);
    if (!Number.isFinite(epsilon)) return undefined;
    const noise = reproducible === true ? "reproducible" : "secret";
    return { mechanism: "dp-sgd", unit: "row", ...did, epsilon, order, noise };
  } catch (error) {
    // Parameters of no DP-SGD: the program refuses them too.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
