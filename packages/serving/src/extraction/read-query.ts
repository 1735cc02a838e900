import type { Tensor } from "../protocol/tensor.ts";

/** Columns beyond it are not looked at. */
const mostColumns = 256;
/** Texts become columns of zeros and a one, by hash. */
const textColumns = 8;

/** The numbers of one row of a request, all inputs side by side. The same inputs give the same columns. */
export function readRow(inputs: readonly Tensor[], at: number): Float32Array {
  const values: number[] = [];
  for (const { shape, data, datatype } of inputs) {
    const width = shape.slice(1).reduce((product, size) => product * size, 1);
    for (let i = 0; i < width && values.length < mostColumns; i++) {
      const value = data[at * width + i];
      if (typeof value === "string") pushText(values, value);
      else
        values.push(
          datatype === "FP16" || datatype === "BF16"
            ? halfOf(Number(value ?? 0), datatype)
            : Number(value ?? 0),
        );
    }
  }
  return Float32Array.from(values.slice(0, mostColumns));
}

export interface RowAnswer {
  readonly label: number;
  readonly margin: number;
}

/**
 * The class and the margin of one row's answer: of the output with several numbers a row if there is one, else of a probability, else the first
 * output's whole number. What is none of these has neither.
 */
export function readAnswer(outputs: readonly Tensor[], at: number): RowAnswer {
  const numeric = outputs.filter(({ datatype, data }) => datatype !== "BYTES" && ArrayBuffer.isView(data));
  const vector = numeric.find(({ shape }) => shape.length === 2 && (shape[1] ?? 0) > 1);
  if (vector) return ofVector(vector, at);
  for (const { data, datatype } of numeric) {
    const value = Number(data[at] ?? Number.NaN);
    const isFraction = datatype === "FP32" || datatype === "FP64";
    if (isFraction && value >= 0 && value <= 1)
      return { label: value > 0.5 ? 1 : 0, margin: Math.abs(2 * value - 1) };
    if (!isFraction && Number.isSafeInteger(value)) return { label: value, margin: Number.NaN };
  }
  return { label: 0, margin: Number.NaN };
}

function ofVector({ shape, data }: Tensor, at: number): RowAnswer {
  const width = shape[1] ?? 0;
  let [best, second, label] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < width; i++) {
    const value = Number(data[at * width + i] ?? Number.NaN);
    if (value > best) [best, second, label] = [value, best, i];
    else if (value > second) second = value;
  }
  return { label, margin: best - second };
}

function pushText(values: number[], text: string): void {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  for (let column = 0; column < textColumns; column++)
    values.push((hash >>> 0) % textColumns === column ? 1 : 0);
}

/** Bits of a half as a number: exact enough to compare queries. */
function halfOf(bits: number, datatype: "FP16" | "BF16"): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction, bias] =
    datatype === "BF16"
      ? [(bits >> 7) & 0xff, (bits & 0x7f) / 128, 127]
      : [(bits >> 10) & 0x1f, (bits & 0x3ff) / 1024, 15];
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}
