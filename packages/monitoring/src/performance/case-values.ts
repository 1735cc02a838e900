import { memberOf, parsedJson } from "@portolan/kernel";
import { squaredErrorOf } from "@portolan/numerics";

/** One labelled prediction as numbers. */
export interface Case {
  /** Of a ranking its ndcg_at_10. */
  readonly gain?: number;
  /** What was predicted: a probability, a quantity, or the number of one of several classes; absent where it could not be read. */
  readonly said?: number;
  /** What happened: 1 and 0 for yes and no, a quantity, or the number of a class; absent where it is none. */
  readonly happened?: number;
  /** Of several classes the probability that was given to the one that happened; absent where scores are no probabilities. */
  readonly likelihood?: number;
  /** Of several classes how far the probabilities are from what happened, in [0, 2]; absent where scores are none. */
  readonly squaredError?: number;
}

/**
 * The number that an answer of one row says: the last value of its last floating-point output, as evaluations of versions read scores.
 *
 * @param outputs body of an Open Inference Protocol answer in JSON
 * @returns undefined for several rows, other bodies, and what is no finite number
 */
export function saidBy(outputs: string | null): number | undefined {
  const value = scoresOf(outputs)?.at(-1);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The values of the last floating-point output of an answer of one row. */
function scoresOf(outputs: string | null): unknown[] | undefined {
  const table = scoreTable(outputs);
  return table?.rows === 1 ? table.values : undefined;
}

/** The last floating-point output of an answer, row after row; undefined for other bodies, and for a shape that its values do not have. */
export function scoreTable(
  outputs: string | null,
): { readonly rows: number; readonly values: unknown[] } | undefined {
  const tensors = outputs === null ? undefined : memberOf(parsedJson(outputs), "outputs");
  if (!Array.isArray(tensors)) return undefined;
  const tensor: unknown = tensors.findLast((one: unknown) =>
    /^(FP|BF)\d+$/.test(textOf(memberOf(one, "datatype"))),
  );
  const [shape, data] = [memberOf(tensor, "shape"), memberOf(tensor, "data")];
  if (!Array.isArray(data)) return undefined;
  const [rows, values] = [rowsOf(shape), data.flat(8)];
  return Number.isInteger(values.length / rows) ? { rows, values } : undefined;
}

/** A whole of single-precision probabilities is this near to one, as evaluations have it. */
const nearOne = 1e-3;

/**
 * One labelled prediction of several classes, by their numbers: the highest score of the answer's one row is what was said, of scores that are alike the first.
 *
 * @param outputs body of an Open Inference Protocol answer in JSON
 * @param outcome name of a class, or its number
 * @param names of the classes in the order of the scores; absent: outcomes say numbers
 */
export function classCase(
  outputs: string | null,
  outcome: unknown,
  names: readonly string[] | undefined,
): Case {
  const scores = scoresOf(outputs);
  const happened = classOf(outcome, names);
  const known = happened === undefined ? {} : { happened };
  if (!scores || scores.length < 2 || (names && names.length !== scores.length)) return known;
  const values = scores.filter((value) => typeof value === "number" && Number.isFinite(value)) as number[];
  if (values.length < scores.length) return known;
  const said = values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
  // A number beyond the model's classes is none of them.
  if (happened === undefined || happened >= values.length) return { said };
  const likelihood = values[happened];
  const areProbabilities =
    likelihood !== undefined &&
    values.every((value) => value >= 0) &&
    Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) <= nearOne;
  if (!areProbabilities) return { said, happened };
  return { said, happened, likelihood, squaredError: squaredErrorOf(values, happened) };
}

/** A name goes first: classes may be called by numbers that are not their places. */
function classOf(outcome: unknown, names: readonly string[] | undefined): number | undefined {
  const text = typeof outcome === "string" || typeof outcome === "number" ? String(outcome) : undefined;
  if (text === undefined) return undefined;
  if (names) {
    const place = names.indexOf(text);
    return place < 0 ? undefined : place;
  }
  return /^\d{1,3}$/.test(text) ? Number(text) : undefined;
}

/** Rows of a tensor: its first extent, where it has more than one or none at all. */
function rowsOf(shape: unknown): number {
  const extents: unknown[] = Array.isArray(shape) ? shape : [];
  const [rows = 1] = extents;
  return typeof rows === "number" ? rows : Number.NaN;
}

/** A label as a number; yes and no are 1 and 0. */
export function happenedBy(outcome: unknown): number | undefined {
  if (typeof outcome === "boolean") return Number(outcome);
  if (typeof outcome === "number") return outcome;
  return outcome === "true" ? 1 : outcome === "false" ? 0 : undefined;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
