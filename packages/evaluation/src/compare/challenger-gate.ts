import type { ChallengerTerms } from "@portolan/charter/contract";
import type { GateResult } from "../evidence-shapes.ts";
import type { ComparedValue, Comparison, ComparisonRule } from "./contract.ts";

/** Name of the gate that holds a version against the one that it replaces in production. */
export const challengerGate = "better-than-champion";

/** One-sided: the level at which a 95 % interval lies beyond the bound. */
export const comparisonLevel = 0.025;

/** Rows of each of two classes, rows of quantities or of several classes, or queries, that a comparison needs to show anything: of a handful of rows DeLong's variance and a bootstrap know next to nothing. */
export const comparisonSupport = 30;

/** What two versions were compared on. */
export type ComparedSize = Pick<Comparison, "rows" | "positives" | "queries" | "rarestClass">;

/** Whether rows are enough for two versions to be told apart. Pure. */
export function isSupported(size: ComparedSize): boolean {
  return tooFew(size) === undefined;
}

/** Why rows are not enough to tell two versions apart. Pure. */
function tooFew({ rows, positives, queries, rarestClass }: ComparedSize): string | undefined {
  const least = comparisonSupport;
  if (positives !== undefined)
    return positives >= least && rows - positives >= least
      ? undefined
      : `${positives} positive and ${rows - positives} negative rows: fewer than ${least} of each`;
  if (queries !== undefined) return queries >= least ? undefined : `${queries} queries: fewer than ${least}`;
  if (rows < least) return `${rows} rows: fewer than ${least}`;
  return rarestClass === undefined || rarestClass >= least
    ? undefined
    : `${rarestClass} rows of the rarest class: fewer than ${least}, and the rule weighs classes alike`;
}

/** What the charter asks of a challenger, as a comparison takes it. Pure. */
export function ruleOf({ metrics, margins }: ChallengerTerms): ComparisonRule {
  return { metrics: [...metrics], margins: { ...margins }, level: comparisonLevel };
}

/** What a comparison found out that its gate is judged by. */
export type ComparisonEvidence = Pick<
  Comparison,
  "heldOut" | "rule" | "values" | "isBetter" | "rows" | "positives" | "queries" | "rarestClass" | "setsTried"
>;

/**
 * A version that is to replace another one in production (docs/spec/promotion-gates.md, G12), by the newest comparison of exactly these two under the
 * charter's rule. Pure.
 * @param comparisons of the two, newest first
 */
export function judgeChallenger(
  comparisons: readonly ComparisonEvidence[],
  terms: ChallengerTerms,
): GateResult {
  const rule = ruleOf(terms);
  const required = `on the same held-out rows as the version in production: ${requirementOf(rule)}`;
  const result = (passed: boolean, observed: string): GateResult => ({
    gate: challengerGate,
    passed,
    observed,
    required,
  });
  if (comparisons.length === 0) return result(false, "never compared with the version in production");
  const found = comparisons.find((one) => isSameRule(one.rule, rule));
  if (!found) return result(false, "compared under other rules than the charter's");
  if (!found.heldOut.shown) return result(false, found.heldOut.because);
  const { setsTried, values } = found;
  const few = tooFew(found);
  if (few !== undefined) return result(false, few);
  const tried = setsTried > 1 ? `; compared on ${setsTried} sets of rows` : "";
  return result(found.isBetter, `${values.map(toldOf).join("; ")}${tried}`);
}

function requirementOf({ metrics, margins }: ComparisonRule): string {
  return metrics
    .map((metric) => {
      const margin = margins[metric];
      return margin === undefined ? `better in ${metric}` : `not worse by ${margin} in ${metric}`;
    })
    .join(", ");
}

function toldOf({ metric, advantage, adjustedP, isShown }: ComparedValue): string {
  const sign = advantage.value < 0 ? "" : "+";
  return `${metric} ${sign}${advantage.value.toFixed(4)} (p ${adjustedP.toFixed(4)}${isShown ? "" : ", not shown"})`;
}

function isSameRule(first: ComparisonRule, second: ComparisonRule): boolean {
  const names = new Set([...first.metrics, ...second.metrics]);
  return (
    first.level === second.level &&
    [...names].every(
      (name) =>
        first.metrics.includes(name) &&
        second.metrics.includes(name) &&
        first.margins[name] === second.margins[name],
    )
  );
}
