/** One labelled prediction as numbers. */
export interface Case {
  /** What was predicted: a probability, or a quantity; absent where it could not be read. */
  readonly said?: number;
  /** What happened: 1 and 0 for yes and no, or a quantity; absent where it is no number. */
  readonly happened?: number;
}

/**
 * The number that an answer of one row says: the last value of its last floating-point output, as evaluations of versions read scores.
 *
 * @param outputs body of an Open Inference Protocol answer in JSON
 * @returns undefined for several rows, other bodies, and what is no finite number
 */
export function saidBy(outputs: string | null): number | undefined {
  const tensors = outputs === null ? undefined : memberOf(parsed(outputs), "outputs");
  if (!Array.isArray(tensors)) return undefined;
  const tensor: unknown = tensors.findLast((one: unknown) =>
    /^(FP|BF)\d+$/.test(textOf(memberOf(one, "datatype"))),
  );
  const [shape, data] = [memberOf(tensor, "shape"), memberOf(tensor, "data")];
  if (!Array.isArray(data) || rowsOf(shape) !== 1) return undefined;
  const value: unknown = data.flat(8).at(-1);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
