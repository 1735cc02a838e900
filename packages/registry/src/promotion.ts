import type { Environment } from "@portolan/kernel";
import type { GateResult } from "./contract.ts";

export type PromotionVerdict =
  | { readonly kind: "promoted"; readonly to: Environment }
  | { readonly kind: "blocked"; readonly failures: readonly GateResult[] };

export interface PromotionEvidence {
  readonly to: Environment;
  /** Results of the newest evaluation of exactly this version; empty when it was never evaluated. */
  readonly gates: readonly GateResult[];
  /** Gate names that the charter demands; an absent result is a failure. */
  readonly required: readonly string[];
  /** Environments in which exactly this version is or was promoted. */
  readonly promotedBefore: readonly Environment[];
  /** Controls that the charter demands and that nothing enforces yet. */
  readonly notEnforced: readonly string[];
  /** Of the data that it learned from. */
  readonly dataClass?: "research" | undefined;
  /** `files`: nothing here can open the version, to evaluate or to serve it. */
  readonly packaging?: "files" | undefined;
}

/**
 * The version that a promotion to production would replace by a new one, to be held against it; `undefined` where there is none. A version that was in
 * production before goes back without being compared: it is a way out of trouble, and must not wait. Pure.
 *
 * @param promoted id of the version that is promoted there now
 */
export function replacedChampion(
  to: Environment,
  versionId: string,
  promoted: string | undefined,
  promotedBefore: readonly Environment[],
): string | undefined {
  const isNew = to === "production" && !promotedBefore.includes("production");
  return isNew && promoted !== versionId ? promoted : undefined;
}

/** Pure: same evidence, same verdict. The caller supplies the evidence and records the verdict. */
export function judgePromotion(evidence: PromotionEvidence): PromotionVerdict {
  if (evidence.packaging === "files")
    return {
      kind: "blocked",
      failures: [
        {
          gate: "servable",
          passed: false,
          observed: "files that nothing here opens",
          required: "model.onnx among the files of the logged model",
        },
      ],
    };
  if (evidence.to === "dev") return { kind: "promoted", to: "dev" };
  const byName = new Map(evidence.gates.map((gate) => [gate.gate, gate]));
  const failures: GateResult[] = evidence.gates.filter((gate) => !gate.passed);
  for (const name of evidence.required) {
    if (!byName.has(name))
      failures.push({ gate: name, passed: false, observed: "not evaluated", required: "a result" });
  }
  if (evidence.to === "production") {
    if (!evidence.promotedBefore.includes("staging")) {
      failures.push({
        gate: "staging-first",
        passed: false,
        observed: "never in staging",
        required: "the same digest in staging",
      });
    }
    if (evidence.dataClass === "research") {
      failures.push({
        gate: "data-class",
        passed: false,
        observed: "it learned from de-identified research data",
        required: "data that may reach production: no gate and no signature changes this",
      });
    }
    for (const control of evidence.notEnforced) {
      failures.push({
        gate: "demanded-control",
        passed: false,
        observed: `${control}: not enforced`,
        required: "enforced",
      });
    }
  }
  return failures.length === 0 ? { kind: "promoted", to: evidence.to } : { kind: "blocked", failures };
}
