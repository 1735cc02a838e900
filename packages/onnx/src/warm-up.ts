import type { ModelSignature } from "@portolan/onnx-format";
import {
  elementsOf,
  hasRowDimension,
  joinRows,
  numericKinds,
  type ProfiledRows,
  splitRows,
  type Tensor,
  type TensorData,
} from "@portolan/serving/policy";
import type { Session } from "./session.ts";

/** What a model's first runs, on inputs made from its signature alone, say about it. */
export interface WarmUp {
  /** Median of one row, microseconds. */
  readonly micros: number;
  /**
   * Median run time by rows, ascending, from one row on. A single entry: rows of several requests must not share a run.
   */
  readonly profile: readonly ProfiledRows[];
}

const warmUpRuns = 7;
const runsPerSize = 3;
const sizes = [2, 4, 8, 16, 32, 64, 128, 256];
/** The whole profile takes about this long; a slow model is measured at fewer sizes. */
const profileMicros = 500_000;
/** A longer run makes everybody in it wait for too long, however cheap its rows are. */
const longestRunMicros = 60_000;
/** Kernels for one row and for many round differently. */
const tolerance = 1e-3;

/**
 * Runs the model on synthetic inputs. The first runs pay for memory and caches, and say nothing about the model.
 * @param now monotonic nanoseconds
 */
export async function warmUp(
  session: Session,
  signature: ModelSignature,
  now: () => bigint,
): Promise<WarmUp> {
  const time = async (inputs: readonly Tensor[], runs: number, discarded: number): Promise<number> => {
    const micros: number[] = [];
    for (let i = 0; i < runs + discarded; i++) {
      const start = now();
      await session.run(inputs);
      micros.push(Number(now() - start) / 1000);
    }
    const settled = micros.slice(discarded).sort((a, b) => a - b);
    return Math.max(1, Math.round(settled[Math.floor(settled.length / 2)] ?? 0));
  };
  const one = syntheticInputs(signature, 0);
  const micros = await time(one, warmUpRuns - 2, 2);
  const profile: ProfiledRows[] = [{ rows: 1, micros }];
  if (!hasRowDimension(signature) || !(await keepsRowsApart(session, signature))) return { micros, profile };
  let spent = 0;
  for (const rows of sizes) {
    const expected = (profile.at(-1)?.micros ?? 0) * 2;
    if (expected > longestRunMicros || spent + expected * (runsPerSize + 1) > profileMicros) break;
    const batch = joinRows(
      Array.from({ length: rows }, () => one),
      rows,
    );
    const sized = await time(batch, runsPerSize, 1);
    spent += sized * (runsPerSize + 1);
    profile.push({ rows, micros: sized });
  }
  return { micros, profile };
}

/**
 * Whether two different rows give the same answers together as alone. The values are small and arbitrary; a model that refuses
 * them (a category that it does not know) is asked with zeros, which at least shows whether its outputs follow the rows.
 */
async function keepsRowsApart(session: Session, signature: ModelSignature): Promise<boolean> {
  const zeros = [syntheticInputs(signature, 0), syntheticInputs(signature, 0)] as const;
  const different = [syntheticInputs(signature, 1), syntheticInputs(signature, 2)] as const;
  return (await agree(session, different)) ?? (await agree(session, zeros)) ?? false;
}

/** `undefined` when the model refuses the rows. */
async function agree(
  session: Session,
  [first, second]: readonly [Tensor[], Tensor[]],
): Promise<boolean | undefined> {
  try {
    const alone = [await session.run(first), await session.run(second)];
    const together = splitRows(await session.run(joinRows([first, second], 2)), [1, 1]);
    return (
      together?.every((outputs, at) => outputs.every((output, i) => isClose(output, alone[at]?.[i]))) ?? false
    );
  } catch {
    return undefined;
  }
}

function isClose(left: Tensor, right: Tensor | undefined): boolean {
  if (!right || left.data.length !== right.data.length) return false;
  if (left.shape.join() !== right.shape.join()) return false;
  // FP16 is held as bits: neighbours differ by one.
  const slack = left.datatype === "FP16" ? 4 : tolerance;
  for (let i = 0; i < left.data.length; i++) {
    const [a, b] = [left.data[i], right.data[i]];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (typeof a !== "number" || typeof b !== "number") return false;
    const scale = left.datatype === "FP16" ? 1 : Math.max(1, Math.abs(a), Math.abs(b));
    if (Math.abs(a - b) > slack * scale) return false;
  }
  return true;
}

/**
 * Inputs of one row, made from the signature alone: 1 for every variable dimension.
 * @param seed 0: zeros and empty strings; else small values that differ with it
 */
export function syntheticInputs(signature: ModelSignature, seed: number): Tensor[] {
  return signature.inputs.map((spec) => {
    const shape = spec.shape.map((dim) => (dim === -1 ? 1 : dim));
    return {
      name: spec.name,
      datatype: spec.datatype,
      shape,
      data: fill(spec.datatype, elementsOf(shape), seed),
    };
  });
}

function fill(datatype: Tensor["datatype"], length: number, seed: number): TensorData {
  if (datatype === "BYTES")
    return Array.from({ length }, (_, i) => (seed === 0 ? "" : String((seed + i) % 3)));
  const data = numericKinds[datatype].make(length);
  if (seed === 0) return data;
  for (let i = 0; i < length; i++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt((seed + i) % 2);
    else if (datatype === "FP16" || datatype === "BF16") data[i] = 0x3c00 + seed;
    else if (datatype === "FP32" || datatype === "FP64") data[i] = ((seed * 7 + i * 3) % 11) / 11;
    else data[i] = (seed + i) % 2;
  }
  return data;
}
