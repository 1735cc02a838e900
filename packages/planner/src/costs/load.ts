import { termsOf } from "@portolan/charter/policy";
import { type Assumption, cheapestFirst } from "../assumptions.ts";
import { combine, exactly, mapRange, type Quantity } from "../range.ts";
import { kindOf } from "./assumption-catalogue.ts";
import type { CostQuestion } from "./cost-line.ts";

/** What decides how many replicas answer. */
export type ServingQuestion = Pick<CostQuestion, "document" | "assumptions" | "tier" | "inference">;

/** The case of an assumption that goes with the low, expected and high cost. */
export function forCosts({ key, value }: Assumption): Quantity {
  return kindOf(key).moreIsCheaper ? cheapestFirst(value) : value;
}

/** Cores that requests a second take, none of them busier than planned. */
export function coresFor({ assumptions }: Pick<ServingQuestion, "assumptions">, load: Quantity): Quantity {
  return combine(
    combine(load, assumptions.cpuMsPerPrediction.value, (rps, ms) => (rps * ms) / 1000),
    forCosts(assumptions.plannedUtilisation),
    (work, most) => work / most,
  );
}

/** Cores at the charter's ceiling. */
export function coresAtCeiling(question: ServingQuestion): Quantity {
  return coresFor(question, exactly(termsOf(question.document).rateLimit.requestsPerSecond));
}

/** Replicas that have to be up at the charter's ceiling. */
export function replicasNeeded(question: ServingQuestion): Quantity {
  return question.tier === "gpu"
    ? question.assumptions.activeGpus.value
    : mapRange(coresAtCeiling(question), (cores) => Math.max(1, Math.ceil(cores)));
}
