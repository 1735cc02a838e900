import { type FairnessTerms, isCompared, type MetricName, type SliceTerms } from "@portolan/charter/contract";
import type { GateResult } from "../evidence-shapes.ts";
import type { FairnessAttribute, FairnessReport, SlicedColumn, SliceReport } from "./contract.ts";
import { pairsOf } from "./measure-fairness.ts";
import { leastSliceRows } from "./slice-support.ts";
import { worstSlice } from "./worst-slice.ts";

/** Name of the gate that bounds how much worse a version may be on a slice. */
export const sliceGate = "slices";
/** Name of the gate that bounds how differently groups may be treated. */
export const fairnessGate = "fairness";

/**
 * Slices of an evaluation by the charter's word on them (docs/spec/promotion-gates.md, G10). Pure. Nothing where the charter bounds no gap;
 * a column that was not measured, or has no slice with enough rows, fails.
 */
export function judgeSlices(
  report: SliceReport | undefined,
  terms: SliceTerms | undefined,
  metric: MetricName,
  overall: number | undefined,
): GateResult[] {
  if (terms?.maximumGap === undefined) return [];
  const { maximumGap, columns } = terms;
  const required = `${metric} at most ${maximumGap} worse on each slice of ${columns.join(", ")} than over all rows`;
  const failed = (observed: string): GateResult[] => [{ gate: sliceGate, passed: false, observed, required }];
  if (overall === undefined) return failed(`${metric} was not measured`);
  if (!report) return failed("no slices were measured: evaluate again under this charter");
  if (!isSameSlicing(report, terms))
    return failed("slices were made with other bins or another support: evaluate again under this charter");
  const asked = report.columns.filter(({ column }) => columns.includes(column));
  const { support } = report;
  const floor = floorOf(support);
  const problems = columns.flatMap((column) => columnProblem(asked, column, floor));
  if (problems.length > 0) return failed(shortly(problems));
  const worst = isCompared(metric) ? worstSlice(asked, metric, overall) : undefined;
  if (!worst) return failed(`${metric} was measured on no slice`);
  const { found, column, value, rows, gap } = worst;
  const named = columnName(column, asked.find((one) => one.column === column)?.expression);
  return [
    {
      gate: sliceGate,
      passed: gap <= maximumGap,
      observed: `${found.toFixed(4)} where ${named} is ${value} (${rows} rows), ${overall.toFixed(4)} over all${unjudged(asked)}`,
      required,
    },
  ];
}

function floorOf(support: SliceReport["support"]): string {
  if ("queries" in support) return `${support.queries} queries`;
  if ("rows" in support) return `${support.rows} rows`;
  return `${support.positives} positives and ${support.negatives} negatives`;
}

function isSameSlicing({ bins, support }: SliceReport, terms: SliceTerms): boolean {
  if (bins !== terms.bins) return false;
  if ("queries" in support) return support.queries === leastSliceRows(terms.support);
  if ("rows" in support) return support.rows === leastSliceRows(terms.support);
  return support.positives === terms.support.positives && support.negatives === terms.support.negatives;
}

function columnProblem(asked: readonly SlicedColumn[], column: string, floor: string): string[] {
  const found = asked.find((one) => one.column === column);
  if (!found) return [`${column} was not measured`];
  if (found.problem !== undefined) return [`${column}: ${found.problem}`];
  if (found.slices.length === 1)
    return [`${column}: all rows are in one slice, so none is held against the others`];
  // Rows without a value are judged as a slice, and are no evidence that there are others.
  if (found.slices.some(({ isJudged, isAbsent }) => isJudged && !isAbsent)) return [];
  return [`${column}: no slice has ${floor}`];
}

/** How many rows no judgement covers, by column. */
function unjudged(columns: readonly SlicedColumn[]): string {
  const told = columns.flatMap(({ column, slices }) => {
    if (slices.some(({ queries }) => queries !== undefined)) return unjudgedQueries(column, slices);
    const all = slices.reduce((sum, { rows }) => sum + rows, 0);
    const few = slices.reduce((sum, { rows, isJudged }) => sum + (isJudged ? 0 : rows), 0);
    return few === 0
      ? []
      : [`${few} of ${all} rows are in slices of ${column} that are too small to be judged`];
  });
  return told.length === 0 ? "" : `; ${shortly(told)}`;
}

function unjudgedQueries(column: string, slices: SlicedColumn["slices"]): string[] {
  const count = (judged: readonly boolean[]) =>
    slices.reduce((sum, { queries = 0, isJudged }) => sum + (judged.includes(isJudged) ? queries : 0), 0);
  const few = count([false]);
  return few === 0
    ? []
    : [
        `${few} of ${count([true, false])} queries are in slices of ${column} that are too small to be judged, or have several values of it`,
      ];
}

const mostOfExpression = 60;

/** A column, and what it was made of: nothing else says whether an attribute is what it is called. */
function columnName(column: string, expression: string | undefined): string {
  if (expression === undefined || expression === column) return column;
  const cut = expression.length > mostOfExpression ? `${expression.slice(0, mostOfExpression)}…` : expression;
  return `${column} (${cut})`;
}

/**
 * Groups of an evaluation by the charter's fairness (docs/spec/promotion-gates.md, G11). Pure. Nothing where the charter names no measure. An attribute
 * whose groups cannot be compared fails; a crossing of two that has too few rows is told and fails nothing.
 */
export function judgeFairness(
  report: FairnessReport | undefined,
  terms: FairnessTerms | undefined,
): GateResult[] {
  if (!terms) return [];
  const { maximumDifference, minimumRatio, measures } = terms;
  const ratio = minimumRatio === undefined ? "" : `, demographic_parity_ratio >= ${minimumRatio}`;
  const required = `${measures.join(", ")} <= ${maximumDifference}${ratio}`;
  const failed = (observed: string): GateResult[] => [
    { gate: fairnessGate, passed: false, observed, required },
  ];
  if (!report) return failed("groups were not compared: evaluate again under this charter");
  const { positives, negatives } = report.support;
  if (positives !== terms.support.positives || negatives !== terms.support.negatives)
    return failed("groups were compared with another support: evaluate again under this charter");
  if (!isOfSameClasses(report, terms))
    return failed("groups were compared by other classes: evaluate again under this charter");
  const judged = [
    ...terms.columns.map((column) => judgeAttribute(report, [column], terms)),
    ...(terms.intersections ? pairsOf(terms.columns) : []).map((pair) => judgeAttribute(report, pair, terms)),
  ];
  const problems = judged.flatMap(({ failures }) => failures);
  if (problems.length > 0) return failed(shortly(problems));
  const observed = shortly(judged.map(({ observed: one }) => one));
  return [{ gate: fairnessGate, passed: true, observed, required }];
}

function isOfSameClasses({ favourable }: FairnessReport, terms: FairnessTerms): boolean {
  const asked = terms.favourable;
  if (!favourable || !asked) return favourable === asked;
  return favourable.length === asked.length && asked.every((name) => favourable.includes(name));
}

/** What a gate observed goes into ledger rows, which are short: attributes and their pairs may be more than a hundred. */
const mostTold = 8;

function shortly(told: readonly string[]): string {
  const rest = told.length - mostTold;
  return [...told.slice(0, mostTold), ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ");
}

interface JudgedAttribute {
  readonly failures: readonly string[];
  readonly observed: string;
}

/** Of several classes each is held to the bounds, and of each measure the worst is told. */
function judgeAttribute(
  report: FairnessReport,
  columns: readonly string[],
  terms: FairnessTerms,
): JudgedAttribute {
  const found = report.attributes.filter((one) => isOf(one, columns));
  if (found.length === 0) return { failures: [`${columns.join(" × ")} was not compared`], observed: "" };
  const measured = found.map((one) => boundedMeasures(one, terms));
  const problems = measured.flatMap((one) => (typeof one === "string" ? [one] : []));
  const figures = measured.flatMap((one) => (typeof one === "string" ? [] : one));
  const worst = [...Map.groupBy(figures, ({ measure }) => measure).values()].flatMap((of) =>
    of.toSorted((a, b) => b.badness - a.badness).slice(0, 1),
  );
  return {
    failures: [
      // Two attributes together may have few rows in each group.
      ...(columns.length > 1 ? [] : problems),
      ...figures.filter(({ isKept }) => !isKept).map(({ says }) => says),
    ],
    observed: [...worst.map(({ says }) => says), ...problems].join(", "),
  };
}

interface BoundedMeasure {
  readonly measure: string;
  readonly says: string;
  readonly isKept: boolean;
  /** The greater, the less alike are groups treated. */
  readonly badness: number;
}

/** The bounded measures of one attribute, or why it has none. */
function boundedMeasures(
  { columns, class: of, measures, problem = "groups were not compared", expressions = {} }: FairnessAttribute,
  { measures: bounded, maximumDifference, minimumRatio }: FairnessTerms,
): readonly BoundedMeasure[] | string {
  const named = columns.map((column) => columnName(column, expressions[column])).join(" × ");
  const told = of === undefined ? named : `${named} for class ${of}`;
  if (!measures) return `${told}: ${problem}`;
  const judged = (measure: string, badnessOf: (value: number) => number, most: number): BoundedMeasure => {
    const value = measures[measure];
    const badness = value === undefined ? Number.POSITIVE_INFINITY : badnessOf(value);
    const says = `${measure} ${value?.toFixed(4) ?? "not measured"} by ${told}`;
    return { measure, says, isKept: badness <= most, badness };
  };
  const differences = bounded.map((measure) => judged(measure, (value) => value, maximumDifference));
  return minimumRatio === undefined
    ? differences
    : [...differences, judged("demographic_parity_ratio", (value) => -value, -minimumRatio)];
}

function isOf({ columns }: FairnessAttribute, asked: readonly string[]): boolean {
  return columns.length === asked.length && columns.every((column, at) => column === asked[at]);
}
