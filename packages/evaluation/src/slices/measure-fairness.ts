import type { FairnessTerms, SupportFloor } from "@portolan/charter/contract";
import {
  type ClassSet,
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
  terms: ComparedBy,
): FairnessReport {
  const { support } = terms;
  return {
    support: { ...support },
    attributes: groupingsOf(values, terms).map((grouping) => attributeOf(set, grouping, support)),
  };
}

/** More classes make more comparisons than anybody reads: the charter names those that matter. */
const mostCompared = 16;

/**
 * The same of several classes, each of them against all others (one-vs-rest): a group's rows of the class are its positives, and those that it was said of are
 * selected. Pure.
 * @param names of the classes, in the order of their numbers; absent: they are known by their number
 */
export function measureClassFairness(
  set: ClassSet,
  names: readonly string[] | undefined,
  values: readonly SliceValues[],
  terms: ComparedBy & Pick<FairnessTerms, "favourable">,
): FairnessReport {
  const { support, favourable } = terms;
  const all = Array.from({ length: set.classCount }, (_, one) => names?.[one] ?? String(one));
  const groupings = groupingsOf(values, terms);
  const asked = favourable ?? all;
  const tooMany = `the model answers ${asked.length} classes: name up to ${mostCompared} in fairness.favourable`;
  const attributes =
    asked.length > mostCompared
      ? groupings.map(({ columns }) => ({ columns, problem: tooMany, groups: [] }))
      : asked.flatMap((name) => {
          const one = all.indexOf(name);
          const decided = one < 0 ? undefined : againstOthers(set, one);
          return groupings.map((grouping) => ({
            class: name,
            ...(decided
              ? attributeOf(decided, grouping, support)
              : { columns: grouping.columns, problem: `the model has no class ${name}`, groups: [] }),
          }));
        });
  return { support: { ...support }, ...(favourable ? { favourable: [...favourable] } : {}), attributes };
}

function againstOthers({ predicted, labels }: ClassSet, one: number): ScoredSet {
  return {
    scores: Float64Array.from(predicted, (said) => Number(said === one)),
    labels: Uint8Array.from(labels, (label) => Number(label === one)),
  };
}

type ComparedBy = Pick<FairnessTerms, "columns" | "intersections" | "support">;

/** Rows dealt into groups by one column, or by two, or why they are not. */
interface Grouping {
  readonly columns: string[];
  readonly rows: GroupedRows | string;
}

function groupingsOf(values: readonly SliceValues[], { columns, intersections }: ComparedBy): Grouping[] {
  const alone = columns.map((column): Grouping => {
    const found = values.find((one) => one.column === column);
    if (!found) return { columns: [column], rows: "the rows have no such column" };
    if (found.kind === "unfit") return { columns: [column], rows: found.reason };
    return { columns: [column], rows: groupRows(found, defaultSlicing.bins) };
  });
  const rowsOf = (column: string) => alone.find(({ columns: [own] }) => own === column)?.rows;
  const pairs = intersections ? pairsOf(columns) : [];
  return [
    ...alone,
    ...pairs.flatMap(([first, second]) => {
      const [one = "", other = ""] = [rowsOf(first), rowsOf(second)];
      if (typeof one === "string" || typeof other === "string") return [];
      return [{ columns: [first, second], rows: crossed(one, other) }];
    }),
  ];
}

function attributeOf(set: ScoredSet, { columns, rows }: Grouping, support: SupportFloor): FairnessAttribute {
  if (typeof rows === "string") return { columns, problem: rows, groups: [] };
  return compareGroups(set, columns, rows, support);
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
