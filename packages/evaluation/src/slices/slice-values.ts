import { quantile, type ScoredSet } from "@portolan/numerics";

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
  /** Each row's place in `names`. */
  readonly codes: Uint32Array;
  readonly names: readonly string[];
}

/** Numbers up to so many different ones are values; more fall into quantile bins. */
const mostNumbers = 20;
const absent = "(none)";

/**
 * Groups of rows by the values of a column. Pure.
 * @param bins of a column of many numbers: bins of equally many rows, where values do not tie
 */
export function groupRows(values: Exclude<SliceValues, { kind: "unfit" }>, bins: number): GroupedRows {
  if (values.kind === "texts")
    return {
      grouping: "values",
      codes: values.codes,
      names: values.texts.map((text) => text ?? absent),
    };
  const known = values.values.filter((value) => Number.isFinite(value)).sort();
  const distinct = known.filter((value, at) => at === 0 || value !== known[at - 1]);
  return distinct.length <= mostNumbers
    ? byNumber(values.values, distinct)
    : byQuantile(values.values, known, bins);
}

function byNumber(values: Float64Array, distinct: Float64Array): GroupedRows {
  const codeOf = new Map(Array.from(distinct, (value, code) => [value, code]));
  return {
    grouping: "values",
    // The place behind the last value is for rows without one.
    codes: Uint32Array.from(values, (value) => codeOf.get(value) ?? distinct.length),
    names: [...Array.from(distinct, String), absent],
  };
}

function byQuantile(values: Float64Array, sorted: Float64Array, bins: number): GroupedRows {
  const ends = Array.from({ length: bins }, (_, at) => quantile(sorted, (at + 1) / bins));
  const edges = ends.filter((end, at) => at === 0 || end !== ends[at - 1]);
  const lowest = sorted[0] ?? Number.NaN;
  const names = edges.map((end, at) =>
    at === 0 ? `[${shown(lowest)}, ${shown(end)}]` : `(${shown(edges[at - 1])}, ${shown(end)}]`,
  );
  return {
    grouping: "quantiles",
    codes: Uint32Array.from(values, (value) => {
      const bin = Number.isFinite(value) ? edges.findIndex((end) => value <= end) : -1;
      return bin === -1 ? edges.length : bin;
    }),
    names: [...names, absent],
  };
}

function shown(value: number | undefined): string {
  return String(Number((value ?? Number.NaN).toPrecision(6)));
}

/** Groups of rows that share both values. Pure. */
export function crossed(first: GroupedRows, second: GroupedRows): GroupedRows {
  const width = second.names.length;
  return {
    grouping: first.grouping === "quantiles" || second.grouping === "quantiles" ? "quantiles" : "values",
    codes: first.codes.map((code, row) => code * width + (second.codes[row] ?? 0)),
    names: first.names.flatMap((name) => second.names.map((other) => `${name} × ${other}`)),
  };
}

/** One group's rows. */
export interface RowGroup {
  readonly value: string;
  readonly set: ScoredSet;
  readonly positives: number;
  /** True of the rows of all values that few rows have, which are no group. */
  readonly isRare: boolean;
}

/** A value that fewer rows have may be somebody's (as levels of a reference profile): it is not told. */
const leastRows = 5;
const rare = "(rare)";

/** The scored rows of each group that has any, in the order of their names; rows of values that fewer than five have are one, at the end. Pure. */
export function splitRows(set: ScoredSet, grouped: GroupedRows): RowGroup[] {
  const { codes, names } = withRareTogether(grouped);
  const sizes = new Uint32Array(names.length);
  for (const code of codes) sizes[code] = (sizes[code] ?? 0) + 1;
  const parts = Array.from(sizes, (size) => ({
    scores: new Float64Array(size),
    labels: new Uint8Array(size),
    filled: 0,
  }));
  codes.forEach((code, row) => {
    const part = parts[code];
    if (!part) return;
    part.scores[part.filled] = set.scores[row] ?? Number.NaN;
    part.labels[part.filled] = set.labels[row] ?? 0;
    part.filled += 1;
  });
  return parts.flatMap(({ scores, labels, filled }, code) =>
    filled === 0
      ? []
      : [
          {
            value: names[code] ?? "",
            set: { scores, labels },
            positives: labels.reduce((sum, label) => sum + label, 0),
            isRare: code === names.length - 1,
          },
        ],
  );
}

function withRareTogether({ codes, names }: GroupedRows): Pick<GroupedRows, "codes" | "names"> {
  const sizes = new Uint32Array(names.length);
  for (const code of codes) sizes[code] = (sizes[code] ?? 0) + 1;
  const place = Uint32Array.from(sizes, (size, code) => (size < leastRows ? names.length : code));
  return { codes: codes.map((code) => place[code] ?? names.length), names: [...names, rare] };
}
