import { PortolanError } from "@portolan/kernel";
import type { ServingErrorCode, Tensor, TensorData } from "@portolan/serving/policy";

/** The caller's fault when a request holds NaN or infinity; `undefined` when it does not. */
export function nonFiniteInput(inputs: readonly Tensor[]): PortolanError<ServingErrorCode> | undefined {
  const found = firstIn(inputs);
  return (
    found &&
    new PortolanError<ServingErrorCode>("serving.bad_request", {
      detail: `The input "${found.name}" holds NaN or infinity at element ${found.at}.`,
      mend: "Send finite numbers; the charter decides whether others are allowed.",
      at: { pointer: "/inputs" },
    })
  );
}

/** The model's fault when its answer holds NaN or infinity. */
export function nonFiniteOutput(outputs: readonly Tensor[]): PortolanError<ServingErrorCode> | undefined {
  const found = firstIn(outputs);
  return (
    found &&
    new PortolanError<ServingErrorCode>("serving.model_failed", {
      detail: `The model's output "${found.name}" holds NaN or infinity at element ${found.at}.`,
      mend: "Check the inputs; the charter decides whether such answers are given out.",
    })
  );
}

/** The tensors with NaN where there was an infinity: both are values that are missing. What was sent stays as it is. */
export function withoutInfinities(tensors: readonly Tensor[]): readonly Tensor[] {
  return tensors.some(holdsInfinity) ? tensors.map(gapped) : tensors;
}

function holdsInfinity({ datatype, data }: Tensor): boolean {
  if (data instanceof Float32Array || data instanceof Float64Array)
    return data.includes(Number.POSITIVE_INFINITY) || data.includes(Number.NEGATIVE_INFINITY);
  const exponent = halfExponents[datatype];
  return exponent !== undefined && (data as Uint16Array).some((bits) => (bits & 0x7fff) === exponent);
}

function gapped(tensor: Tensor): Tensor {
  const { datatype, data } = tensor;
  if (!holdsInfinity(tensor)) return tensor;
  if (data instanceof Float32Array || data instanceof Float64Array)
    return { ...tensor, data: data.map((value) => (Number.isFinite(value) ? value : Number.NaN)) };
  const exponent = halfExponents[datatype] ?? 0;
  // All bits of the exponent and the first of the fraction: a quiet NaN.
  const gap = exponent | (exponent >>> 1);
  return {
    ...tensor,
    data: (data as Uint16Array).map((bits) => ((bits & 0x7fff) === exponent ? gap : bits)),
  };
}

function firstIn(tensors: readonly Tensor[]): { readonly name: string; readonly at: number } | undefined {
  for (const tensor of tensors) {
    const at = firstNonFinite(tensor);
    if (at !== -1) return { name: tensor.name, at };
  }
  return undefined;
}

/** Exponents of half-precision numbers, which are held as bits; all ones are NaN or infinity. */
const halfExponents: Readonly<Partial<Record<Tensor["datatype"], number>>> = { FP16: 0x7c00, BF16: 0x7f80 };

function firstNonFinite({ datatype, data }: Tensor): number {
  if (datatype === "FP32" || datatype === "FP64") return firstGap(data);
  const exponent = halfExponents[datatype];
  if (exponent === undefined) return -1;
  for (let at = 0; at < data.length; at++) if ((Number(data[at]) & exponent) === exponent) return at;
  return -1;
}

function firstGap(data: TensorData): number {
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array)) return -1;
  for (let at = 0; at < data.length; at++) if (!Number.isFinite(data[at])) return at;
  return -1;
}
