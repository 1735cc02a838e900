import type { ExplainedRow } from "@portolan/evaluation";
import type { Tensor } from "@portolan/serving/policy";

/** A runtime that adds many rows at once, or in another order, differs by this part at most. */
const rounding = 1e-5;

interface RecordedAnswer {
  readonly outputs?: readonly { readonly name: string; readonly data: readonly unknown[] }[];
  readonly predictions?: readonly unknown[];
}

/** The outputs that a recorded answer has, beside what the model says now: whole numbers and texts as they are written, numbers of single precision as such. */
export function compareAnswers(now: readonly Tensor[], answer: string): ExplainedRow["reproduced"] {
  // Whole numbers beyond 2^53 are kept by their text.
  const keep = (_: string, value: unknown, { source }: { source?: string }): unknown =>
    typeof value === "number" && source !== undefined ? { number: source } : value;
  const said = JSON.parse(answer, keep as Parameters<typeof JSON.parse>[1]) as RecordedAnswer;
  const outputs = said.outputs ?? firstOutput(now, said.predictions);
  let worst: ExplainedRow["reproduced"] = outputs.length === 0 ? "no" : "exactly";
  for (const { name, data } of outputs) {
    const again = now.find((tensor) => tensor.name === name);
    const before = data.flat(Infinity);
    if (!again || again.data.length !== before.length) return "no";
    for (const [at, value] of before.entries()) {
      const verdict = compareOne(textOf(value), again, at);
      if (verdict === "no") return "no";
      if (verdict === "to_rounding") worst = verdict;
    }
  }
  return worst;
}

function textOf(value: unknown): string {
  if (typeof value === "object" && value !== null && "number" in value) return String(value.number);
  return String(value);
}

function compareOne(text: string, { datatype, data }: Tensor, at: number): ExplainedRow["reproduced"] {
  const other = data[at];
  if (text === String(other)) return "exactly";
  if (datatype === "BOOL")
    return Number(text === "true" || text === "1") === Number(other) ? "exactly" : "no";
  if (datatype !== "FP32" && datatype !== "FP64") return "no";
  // JSON has no NaN: it is null.
  if (Number.isNaN(other)) return text === "null" ? "exactly" : "no";
  const [left, right] = [datatype === "FP32" ? Math.fround(Number(text)) : Number(text), Number(other)];
  // Zero is written without its sign.
  if (left === right) return "exactly";
  return Math.abs(left - right) <= rounding * Math.max(Math.abs(left), Math.abs(right))
    ? "to_rounding"
    : "no";
}

/** KServe's V1 names an output only where there are several. */
function firstOutput(
  now: readonly Tensor[],
  predictions: readonly unknown[] = [],
): { readonly name: string; readonly data: readonly unknown[] }[] {
  const [first] = predictions;
  if (first === undefined) return [];
  if (
    now.length === 1 ||
    typeof first !== "object" ||
    first === null ||
    Array.isArray(first) ||
    "number" in first
  )
    return [{ name: now[0]?.name ?? "", data: predictions }];
  const rows = predictions as readonly Readonly<Record<string, unknown>>[];
  return Object.keys(first).map((name) => ({ name, data: rows.map((row) => row[name]) }));
}
