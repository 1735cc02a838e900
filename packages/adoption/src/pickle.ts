import { fileURLToPath } from "node:url";
import { type Digest, digestBytes, messageOf, PortolanError } from "@portolan/kernel";
import type { AdoptionErrorCode } from "./errors.ts";
import { type PickleFacts, type Probes, readPickleFacts, readProbes } from "./facts.ts";
import type { LoadedProbe, ModelTrial, WalledOutput, WalledPrograms } from "./ports.ts";

const program = fileURLToPath(new URL("../python/open_pickle.py", import.meta.url));
const mostFactsBytes = 4 * 2 ** 20;
const mostModelBytes = 512 * 2 ** 20;
/** Largest difference of a score or value that a conversion to float32 may make. */
const tolerance = 1e-4;
const timedRuns = 200;

export interface Conversion {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** Of one row a run, in microseconds, on one processor core, in a process of its own, as this machine was busy. */
  readonly latency?: { readonly runs: number; readonly p50Micros: number; readonly p95Micros: number };
  /** How far it says what the estimator said, on rows of noise. Absent: it was not tried. */
  readonly agreement?: {
    readonly rows: number;
    readonly largestDifference: number;
    readonly agrees: boolean;
  };
  /** Why it was not tried. */
  readonly untried?: string;
}

export interface OpenedPickle {
  readonly facts: PickleFacts;
  readonly conversion?: Conversion;
}

/**
 * Opens a pickle behind walls and converts what is in it to ONNX.
 *
 * @param options.allowCode opens it too where it names what no estimator needs; still behind walls
 * @throws PortolanError `adoption.not_isolated`, `adoption.reading_failed`
 */
export async function openPickle(
  tools: { readonly programs: WalledPrograms; readonly trial: ModelTrial },
  path: string,
  { allowCode }: { readonly allowCode: boolean },
): Promise<OpenedPickle> {
  const task = { program, input: { path }, params: { allowCode }, needs: "libraries" } as const;
  return tools.programs.run(task, async (output) => {
    const facts = readPickleFacts(await textOf(output, "facts.json"));
    const bytes = await output.read("model.onnx", mostModelBytes);
    if (bytes === undefined || !facts.estimator || facts.failure) return { facts };
    return { facts, conversion: await tryConversion(tools.trial, output, bytes) };
  });
}

async function textOf(output: WalledOutput, name: string): Promise<string> {
  const bytes = await output.read(name, mostFactsBytes);
  if (bytes !== undefined) return new TextDecoder().decode(bytes);
  throw new PortolanError<AdoptionErrorCode>("adoption.reading_failed", {
    detail: "the program that opens pickles left nothing behind",
    mend: "The pickle ended it: do not use that file.",
  });
}

async function tryConversion(
  trial: ModelTrial,
  output: WalledOutput,
  bytes: Uint8Array,
): Promise<Conversion> {
  const model = { bytes, digest: digestBytes(bytes) };
  const text = await output.read("probes.json", mostFactsBytes);
  if (text === undefined) return { ...model, untried: "there were no rows to try it on" };
  const probes = readProbes(new TextDecoder().decode(text));
  try {
    return await trial.try(model, async (probe) => ({
      ...model,
      agreement: agreementOf(await probe.run(probes.rows, probes.inputs), probes.expected, probes.of),
      latency: await latencyOf(probe, probes),
    }));
  } catch (error) {
    return { ...model, untried: messageOf(error).slice(0, 300) };
  }
}

/** Compares with the output that has as many columns as the estimator said, scores before labels. */
function agreementOf(
  said: Readonly<Record<string, readonly number[][]>>,
  expected: readonly (readonly number[])[],
  of: "scores" | "values",
): NonNullable<Conversion["agreement"]> {
  const columns = expected[0]?.length ?? 0;
  const candidates = Object.entries(said).filter(([, rows]) => rows[0]?.length === columns);
  const named = candidates.find(([name]) =>
    (of === "scores" ? /prob|score/i : /variable|label|value/i).test(name),
  );
  const [, rows = []] = named ?? candidates[0] ?? [];
  const differences = expected.flatMap((row, at) =>
    row.map(
      (value, column) =>
        Math.abs((rows[at]?.[column] ?? Number.POSITIVE_INFINITY) - value) / Math.max(1, Math.abs(value)),
    ),
  );
  const largestDifference = Math.max(0, ...differences);
  return { rows: expected.length, largestDifference, agrees: largestDifference <= tolerance };
}

async function latencyOf(
  probe: LoadedProbe,
  { rows, inputs }: Pick<Probes, "rows" | "inputs">,
): Promise<NonNullable<Conversion["latency"]>> {
  const micros: number[] = [];
  for (let run = 0; run < timedRuns; run++) {
    const at = run % rows;
    const row = inputs.map(({ name, columns, values }) => ({
      name,
      columns,
      values: values.slice(at * columns, (at + 1) * columns),
    }));
    const start = performance.now();
    await probe.run(1, row);
    micros.push(Math.round((performance.now() - start) * 1000));
  }
  const sorted = micros.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { runs: timedRuns, p50Micros: at(0.5), p95Micros: at(0.95) };
}
