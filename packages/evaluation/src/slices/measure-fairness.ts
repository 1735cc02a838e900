import type { FairnessTerms, SupportFloor } from "@portolan/charter/contract";
import {
  fairnessMeasures,
  falsePositiveRate,
  type ScoredSet,
  selectionRate,
  truePositiveRate,
  wilsonInterval,
} from "@portolan/numerics";
import { decisionThreshold } from "../metric-sums.ts";
import type { FairnessAttribute, FairnessGroup, FairnessReport } from "./contract.ts";
import { defaultSlicing, hasSupport } from "./measure-slices.ts";
import {
  type CountedGroup,
  countRows,
  crossed,
  type GroupedRows,
  groupRows,
  type SliceValues,
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
  const groups = countRows(set, rows, decisionThreshold);
  const judged = groups.filter((group) => hasSupport(group, support));
  const told = columns.length === 1 ? groups : extremes(judged);
  const found = {
    columns,
    grouping: rows.grouping,
    groupCount: groups.length,
    judgedCount: judged.length,
    groups: told.map((group) => groupOf(group, judged.includes(group))),
  };
  // Rows without a value are compared with the others, but are no group of anybody.
  if (judged.filter(({ isAbsent }) => !isAbsent).length >= 2)
    return { ...found, measures: { ...fairnessMeasures(judged.map(({ counts }) => counts)) } };
  const { positives, negatives } = support;
  return {
    ...found,
    problem: `fewer than two groups have ${positives} positives and ${negatives} negatives`,
  };
}

const rates = [selectionRate, truePositiveRate, falsePositiveRate] as const;

/** The groups between which the measures are: those with the lowest and the highest rates. Two attributes may have ten thousands of groups. */
function extremes(judged: readonly CountedGroup[]): CountedGroup[] {
  const ends = rates.flatMap((rate) => {
    let [lowest, highest] = [judged[0], judged[0]];
    for (const group of judged) {
      if (lowest && rate(group.counts) < rate(lowest.counts)) lowest = group;
      if (highest && rate(group.counts) > rate(highest.counts)) highest = group;
    }
    return lowest && highest ? [lowest, highest] : [];
  });
  return judged.filter((group) => ends.includes(group));
}

function groupOf({ value, rows, positives, counts }: CountedGroup, isJudged: boolean): FairnessGroup {
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
