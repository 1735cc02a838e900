import type { FairnessTerms, SupportFloor } from "@portolan/charter/contract";
import {
  fairnessMeasures,
  falsePositiveRate,
  type ScoredSet,
  selectionRate,
  type ThresholdCounts,
  thresholdCounts,
  truePositiveRate,
  wilsonInterval,
} from "@portolan/numerics";
import { decisionThreshold } from "../metric-sums.ts";
import type { FairnessAttribute, FairnessGroup, FairnessReport } from "./contract.ts";
import { defaultSlicing, hasSupport } from "./measure-slices.ts";
import {
  crossed,
  type GroupedRows,
  groupRows,
  type RowGroup,
  type SliceValues,
  splitRows,
} from "./slice-values.ts";

/** How differently the groups of each attribute are treated, and of each two if the charter says so. Pure. */
export function measureFairness(
  set: ScoredSet,
  values: readonly SliceValues[],
  { columns, intersections, support }: Pick<FairnessTerms, "columns" | "intersections" | "support">,
): FairnessReport {
  const grouped = new Map<string, GroupedRows>();
  const attributes = columns.map((column): FairnessAttribute => {
    const found = values.find((one) => one.column === column);
    if (!found) return { columns: [column], problem: "the rows have no such column", groups: [] };
    if (found.kind === "unfit") return { columns: [column], problem: found.reason, groups: [] };
    const rows = groupRows(found, defaultSlicing.bins);
    grouped.set(column, rows);
    return compareGroups(set, [column], rows, support);
  });
  const pairs = intersections ? pairsOf(columns) : [];
  return {
    support: { ...support },
    attributes: [
      ...attributes,
      ...pairs.flatMap(([first, second]) => {
        const [one, other] = [grouped.get(first), grouped.get(second)];
        return one && other ? [compareGroups(set, [first, second], crossed(one, other), support)] : [];
      }),
    ],
  };
}

/** Each two of them once, in their order. Pure. */
export function pairsOf(columns: readonly string[]): (readonly [string, string])[] {
  return columns.flatMap((first, at) => columns.slice(at + 1).map((second) => [first, second] as const));
}

function compareGroups(
  set: ScoredSet,
  columns: string[],
  rows: GroupedRows,
  support: SupportFloor,
): FairnessAttribute {
  const groups = splitRows(set, rows).map((group) => ({
    group,
    counts: thresholdCounts(group.set, decisionThreshold),
    isJudged: hasSupport(group, support),
  }));
  const judged = groups.filter(({ isJudged }) => isJudged);
  const found = {
    columns,
    grouping: rows.grouping,
    groups: groups.map(({ group, counts, isJudged }) => groupOf(group, counts, isJudged)),
  };
  if (judged.length >= 2)
    return { ...found, measures: { ...fairnessMeasures(judged.map(({ counts }) => counts)) } };
  const { positives, negatives } = support;
  return {
    ...found,
    problem: `fewer than two groups have ${positives} positives and ${negatives} negatives`,
  };
}

function groupOf(
  { value, set, positives }: RowGroup,
  counts: ThresholdCounts,
  isJudged: boolean,
): FairnessGroup {
  const rows = set.scores.length;
  if (!isJudged) return { value, rows, positives, isJudged };
  const { truePositives, falsePositives } = counts;
  return {
    value,
    rows,
    positives,
    isJudged,
    selectionRate: {
      value: selectionRate(counts),
      interval: wilsonInterval(truePositives + falsePositives, rows),
    },
    truePositiveRate: { value: truePositiveRate(counts), interval: wilsonInterval(truePositives, positives) },
    falsePositiveRate: {
      value: falsePositiveRate(counts),
      interval: wilsonInterval(falsePositives, rows - positives),
    },
  };
}
