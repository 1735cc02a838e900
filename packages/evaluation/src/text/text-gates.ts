import { type AccuracyBound, isHeldByInterval, type ReleaseTerms } from "@portolan/charter/contract";
import { wilsonInterval } from "@portolan/numerics";
import { accuracyGate, type GateResult, type HeldOut, heldOutGate } from "../contract.ts";
import { probeGates } from "../probes/probe-gates.ts";
import { fairnessGate, sliceGate } from "../slices/slice-gates.ts";
import { budgetGates, kpiGate } from "../worth/worth-gates.ts";
import type { TextMetrics, TextSet } from "./contract.ts";
import type { FaithfulnessReport } from "./judge/contract.ts";
import { judgeFaithfulness } from "./judge/faithfulness.ts";
import type { TextTally } from "./text-tally.ts";

/** The charter's name of the share of passed cases. */
export const passRate = "pass_rate";
/** The charter's name of the share of answers that a judge finds faithful to their source. */
const groundedness = "groundedness";

/** What an evaluation of text found out: all that its gates are judged by, now and again at promotion. */
export interface TextEvidence {
  readonly metrics: TextMetrics;
  readonly heldOut: HeldOut;
}

/**
 * What the answers to a set's cases were worth. Pure.
 * @param tally of one case at least
 * @param faithfulness where a judge was asked
 */
export function textMetrics(tally: TextTally, faithfulness?: FaithfulnessReport): TextMetrics {
  const { cases, passed, answered, promptTokens, completionTokens, isEstimated } = tally;
  return {
    cases,
    passed,
    values: {
      [passRate]: passed / cases,
      ...(faithfulness ? { [groundedness]: faithfulness.faithful / faithfulness.judged } : {}),
    },
    ...(faithfulness ? { faithfulness } : {}),
    passRateInterval: wilsonInterval(passed, cases),
    unanswered: cases - answered,
    promptTokens,
    completionTokens,
    isEstimated,
  };
}

/** Nobody here can prove what another server's model has read; who wrote the cases can state it, and is named. Pure. */
export function statedHeldOut({ heldOut, createdBy, name, version }: TextSet): HeldOut {
  return heldOut === undefined
    ? {
        shown: false,
        because: `nobody states that the model cannot have learned from ${name} version ${version}`,
      }
    : { shown: true, because: `stated by ${createdBy}: ${heldOut}` };
}

/**
 * Release gates on one evaluation of text (docs/spec/promotion-gates.md, G8, G9 and G18). Pure: same evidence, same results.
 * What was not measured or not stated fails its gate: a charter that bounds anything of rows, or of the model's own file and time, releases no text.
 */
export function judgeTextGates(
  { metrics, heldOut }: TextEvidence,
  terms: Omit<ReleaseTerms, "challenger">,
): GateResult[] {
  const { accuracy, slices, fairness, modelBudget, kpis, faithfulness } = terms;
  const ofRows = [
    ...(slices?.maximumGap === undefined ? [] : [sliceGate]),
    ...(fairness ? [fairnessGate] : []),
    ...(modelBudget ? budgetGates(modelBudget) : []),
    ...(kpis ? [kpiGate] : []),
    ...probeGates(terms),
  ];
  return [
    judgePassRate(metrics, accuracy),
    {
      gate: heldOutGate,
      passed: heldOut.shown,
      observed: heldOut.because,
      required: "a statement by name that the model cannot have learned from the cases",
    },
    ...judgeFaithfulness(metrics.faithfulness, faithfulness),
    ...ofRows.map((gate) => ({
      gate,
      passed: false,
      observed: "a text version has no rows, and runs elsewhere",
      required: "what the charter asks of held-out rows and of the model's file",
    })),
  ];
}

/** The lower end of the 95 % Wilson interval must reach the floor, unless the charter takes the value: a few cases prove little. */
function judgePassRate({ values, passRateInterval, cases }: TextMetrics, bound: AccuracyBound): GateResult {
  const required = `${bound.metric} ${bound.kind === "floor" ? ">=" : "<="} ${bound.value}`;
  const value = values[bound.metric];
  if (value === undefined || bound.metric !== passRate)
    return { gate: accuracyGate, passed: false, observed: `${bound.metric} was not measured`, required };
  const { low, high } = passRateInterval;
  const byInterval = isHeldByInterval(bound);
  return {
    gate: accuracyGate,
    passed: (byInterval ? low : value) >= bound.value,
    observed: `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}] of ${cases} cases`,
    required: byInterval ? `${required} at the interval's lower end` : required,
  };
}
