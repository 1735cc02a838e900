/** How a new answer stands to the recorded one. */
export type OutputComparison =
  | { readonly kind: "same"; readonly largestDifference: number }
  | { readonly kind: "differs"; readonly where: string; readonly largestDifference: number }
  /** One of them is no inference answer in JSON. */
  | { readonly kind: "incomparable"; readonly why: string };

interface Output {
  readonly name: string;
  readonly data: readonly unknown[];
}

/**
 * Compares two answers of the Open Inference Protocol output by output; numbers are the same when they differ by no more than the
 * tolerance, absolutely or relatively to the recorded one. Names, order and everything that is no number must be equal. Pure.
 */
export function compareOutputs(recorded: unknown, now: unknown, tolerance: number): OutputComparison {
  const before = outputsOf(recorded);
  const after = outputsOf(now);
  if (!before) return { kind: "incomparable", why: "the recorded answer has no outputs in JSON" };
  if (!after) return { kind: "incomparable", why: "the new answer has no outputs in JSON" };
  let largestDifference = 0;
  let where: string | undefined;
  const differ = (place: string): void => {
    where ??= place;
  };
  if (before.map(({ name }) => name).join() !== after.map(({ name }) => name).join())
    differ("names of outputs");
  for (const { name, data } of before) {
    const others = after.find((output) => output.name === name)?.data ?? [];
    if (data.length !== others.length) differ(`${name}: ${data.length} values, now ${others.length}`);
    for (const [i, value] of data.entries()) {
      const other = others[i];
      const difference = distance(value, other);
      if (Number.isFinite(difference)) largestDifference = Math.max(largestDifference, difference);
      const scale = typeof value === "number" ? Math.max(1, Math.abs(value)) : 1;
      if (!(difference <= tolerance * scale)) differ(`${name}[${i}]: ${String(value)}, now ${String(other)}`);
    }
  }
  return where === undefined
    ? { kind: "same", largestDifference }
    : { kind: "differs", where, largestDifference };
}

function distance(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return Object.is(a, b) ? 0 : Math.abs(a - b);
  return a === b ? 0 : Number.POSITIVE_INFINITY;
}

function outputsOf(answer: unknown): Output[] | undefined {
  if (typeof answer !== "object" || answer === null || !("outputs" in answer)) return undefined;
  if (!Array.isArray(answer.outputs)) return undefined;
  const outputs: Output[] = [];
  for (const one of answer.outputs as readonly unknown[]) {
    if (typeof one !== "object" || one === null || !("name" in one) || !("data" in one)) return undefined;
    if (typeof one.name !== "string" || !Array.isArray(one.data)) return undefined;
    outputs.push({ name: one.name, data: one.data.flat(Number.POSITIVE_INFINITY) });
  }
  return outputs;
}
