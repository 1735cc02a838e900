import { quantile, type ScoredSet, type ThresholdCounts } from "@portolan/numerics";

/** A column that rows are sliced by, a value for each row. */
export type SliceValues =
  /** NaN and infinities: the row has none. */
  | { readonly kind: "numbers"; readonly column: string; readonly values: Float64Array }
  /** Each row's place in `texts`; null stands for rows that have none. */
  | {
      readonly kind: "texts";
      readonly column: string;
      readonly codes: Uint32Array;
      readonly texts: readonly (string | null)[];
    }
  /** The rows have the column, and it makes no slices. */
  | { readonly kind: "unfit"; readonly column: string; readonly reason: string };

/** Rows dealt into groups, each row into one. */
export interface GroupedRows {
  readonly grouping: "values" | "quantiles";
  /** Each row's group, below `size`. */
  readonly codes: Uint32Array;
  readonly size: number;
  nameOf(code: number): string;
  /** True of the group of rows that have no value. */
  isAbsent(code: number): boolean;
}

/** Numbers up to so many different ones are values; more fall into quantile bins. */
const mostNumbers = 20;
const absent = "(none)";

/**
 * Groups of rows by the values of a column. Pure.
 * @param bins of a column of many numbers: bins of equally many rows, where values do not tie
 */
export function groupRows(values: Exclude<SliceValues, { kind: "unfit" }>, bins: number): GroupedRows {
  if (values.kind === "texts") {
    const { codes, texts } = values;
    return {
      grouping: "values",
      codes,
      size: texts.length,
      nameOf: (code) => shortened(texts[code] ?? absent),
      isAbsent: (code) => texts[code] === null,
    };
  }
  const known = values.values.filter((value) => Number.isFinite(value)).sort();
  const distinct = known.filter((value, at) => at === 0 || value !== known[at - 1]);
  return distinct.length <= mostNumbers
    ? byNumber(values.values, distinct)
    : byQuantile(values.values, known, bins);
}

/** Names go into evaluations and ledger rows: a text of any length is known by its beginning. */
const mostOfName = 80;

function shortened(text: string): string {
  return text.length <= mostOfName ? text : `${text.slice(0, mostOfName)}…`;
}

function byNumber(values: Float64Array, distinct: Float64Array): GroupedRows {
  const codeOf = new Map(Array.from(distinct, (value, code) => [value, code]));
  return {
    grouping: "values",
    codes: Uint32Array.from(values, (value) => codeOf.get(value) ?? distinct.length),
    ...named(Array.from(distinct, String)),
  };
}

function byQuantile(values: Float64Array, sorted: Float64Array, bins: number): GroupedRows {
  const ends = Array.from({ length: bins }, (_, at) => quantile(sorted, (at + 1) / bins));
  const edges = ends.filter((end, at) => at === 0 || end !== ends[at - 1]);
  return {
    grouping: "quantiles",
    codes: Uint32Array.from(values, (value) => {
      const bin = Number.isFinite(value) ? edges.findIndex((end) => value <= end) : -1;
      return bin === -1 ? edges.length : bin;
    }),
    ...named(binNames(edges)),
  };
}

/** The least and the largest number of a column are somebody's: the outer bins are named by their inner ends. */
function binNames(edges: readonly number[]): string[] {
  const last = edges.length - 1;
  return edges.map((end, at) => {
    if (last === 0) return "any number";
    if (at === 0) return `<= ${shown(end)}`;
    const from = shown(edges[at - 1]);
    return at === last ? `> ${from}` : `(${from}, ${shown(end)}]`;
  });
}

/** Groups with these names, and behind them the one of rows without a value. */
function named(names: readonly string[]): Pick<GroupedRows, "size" | "nameOf" | "isAbsent"> {
  return {
    size: names.length + 1,
    nameOf: (code) => names[code] ?? absent,
    isAbsent: (code) => code === names.length,
  };
}

function shown(value: number | undefined): string {
  return String(Number((value ?? Number.NaN).toPrecision(6)));
}

/** Groups of rows that share both values. Pure. */
export function crossed(first: GroupedRows, second: GroupedRows): GroupedRows {
  const width = second.size;
  const codes = new Uint32Array(first.codes.length);
  for (let row = 0; row < codes.length; row++)
    codes[row] = (first.codes[row] ?? 0) * width + (second.codes[row] ?? 0);
  const [one, other] = [(code: number) => Math.floor(code / width), (code: number) => code % width];
  return {
    grouping: first.grouping === "quantiles" || second.grouping === "quantiles" ? "quantiles" : "values",
    codes,
    size: first.size * width,
    nameOf: (code) => `${first.nameOf(one(code))} × ${second.nameOf(other(code))}`,
    isAbsent: (code) => first.isAbsent(one(code)) || second.isAbsent(other(code)),
  };
}

/** What is known of a group before anything is measured of it. */
export interface GroupSize {
  readonly value: string;
  readonly rows: number;
  readonly positives: number;
  /** True of the rows of all values that few rows have, which are no group. */
  readonly isRare: boolean;
  /** True of the rows that have no value. */
  readonly isAbsent: boolean;
}

/** The places of each group's rows, as `splitRows` deals them: in the order of their names, rare values last. Pure. */
export function rowsOfGroups(
  grouped: GroupedRows,
): (Pick<GroupSize, "value" | "isRare" | "isAbsent"> & { readonly at: readonly number[] })[] {
  const { size } = grouped;
  const sizes = sizesOf(grouped);
  const places: number[][] = Array.from({ length: size + 1 }, () => []);
  grouped.codes.forEach((code, row) => {
    places[(sizes[code] ?? 0) < leastRows ? size : code]?.push(row);
  });
  return places.flatMap((at, code) => (at.length === 0 ? [] : [{ ...toldAs(grouped, code), at }]));
}

/** One group's rows. */
export interface RowGroup extends GroupSize {
  readonly set: ScoredSet;
}

/** One group's decisions. */
export interface CountedGroup extends GroupSize {
  readonly counts: ThresholdCounts;
}

/** A value that fewer rows have may be somebody's (as levels of a reference profile): it is not told. */
const leastRows = 5;
const rare = "(rare)";

/** The scored rows of each group that has any, in the order of their names; rows of values that fewer than five have are one, at the end. Pure. */
export function splitRows(set: ScoredSet, grouped: GroupedRows): RowGroup[] {
  const { size } = grouped;
  const sizes = sizesOf(grouped);
  const placeOf = (code: number) => ((sizes[code] ?? 0) < leastRows ? size : code);
  const rows = new Uint32Array(size + 1);
  sizes.forEach((count, code) => {
    rows[placeOf(code)] = (rows[placeOf(code)] ?? 0) + count;
  });
  const parts = Array.from(rows, (count) => ({
    scores: new Float64Array(count),
    labels: new Uint8Array(count),
    filled: 0,
  }));
  grouped.codes.forEach((code, row) => {
    const part = parts[placeOf(code)];
    if (!part) return;
    part.scores[part.filled] = set.scores[row] ?? Number.NaN;
    part.labels[part.filled] = set.labels[row] ?? 0;
    part.filled += 1;
  });
  return parts.flatMap(({ scores, labels, filled }, code) => {
    if (filled === 0) return [];
    const positives = labels.reduce((sum, label) => sum + label, 0);
    return [{ ...toldAs(grouped, code), rows: filled, positives, set: { scores, labels } }];
  });
}

/** The decisions in each group that has any rows, as `splitRows` deals them, without copying rows: crossings may have ten thousands of groups. Pure. */
export function countRows(set: ScoredSet, grouped: GroupedRows, threshold: number): CountedGroup[] {
  const { size, codes } = grouped;
  // Of each group true and false negatives, false and true positives.
  const cells = new Uint32Array(4 * (size + 1));
  for (let row = 0; row < codes.length; row++) {
    const label = set.labels[row] ?? 0;
    const isSelected = (set.scores[row] ?? Number.NaN) >= threshold;
    const cell = 4 * (codes[row] ?? 0) + (isSelected ? 2 : 0) + label;
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  const rowsOf = (code: number) => {
    let rows = 0;
    for (let cell = 4 * code; cell < 4 * code + 4; cell++) rows += cells[cell] ?? 0;
    return rows;
  };
  const found: CountedGroup[] = [];
  for (let code = 0; code <= size; code++) {
    const rows = rowsOf(code);
    if (rows === 0) continue;
    if (code < size && rows < leastRows) {
      for (let cell = 0; cell < 4; cell++)
        cells[4 * size + cell] = (cells[4 * size + cell] ?? 0) + (cells[4 * code + cell] ?? 0);
      continue;
    }
    const cellOf = (cell: number) => cells[4 * code + cell] ?? 0;
    const counts = {
      trueNegatives: cellOf(0),
      falseNegatives: cellOf(1),
      falsePositives: cellOf(2),
      truePositives: cellOf(3),
    };
    const positives = counts.truePositives + counts.falseNegatives;
    found.push({ ...toldAs(grouped, code), rows, positives, counts });
  }
  return found;
}

function toldAs(grouped: GroupedRows, code: number): Pick<GroupSize, "value" | "isRare" | "isAbsent"> {
  const isRare = code === grouped.size;
  return {
    value: isRare ? rare : grouped.nameOf(code),
    isRare,
    isAbsent: !isRare && grouped.isAbsent(code),
  };
}

function sizesOf({ codes, size }: GroupedRows): Uint32Array {
  const sizes = new Uint32Array(size);
  for (const code of codes) sizes[code] = (sizes[code] ?? 0) + 1;
  return sizes;
}
