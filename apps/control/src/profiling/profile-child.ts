import { readFile } from "node:fs/promises";
import { messageOf } from "@portolan/kernel";
import type { ProfiledData } from "@portolan/monitoring";
import type { ProfiledColumn } from "@portolan/monitoring/contract";
import { levelsReference, numbersOf, numericReference } from "@portolan/monitoring/policy";
import { createSession, type Session } from "@portolan/onnx/session";
import type { Tensor } from "@portolan/serving/policy";
import { type Columns, type FilledInput, fillInputs, tensorsOf } from "../scoring/model-inputs.ts";
import { readReference } from "../scoring/read-reference.ts";
import type { ProfileChildJob, ProfileChildReply } from "./profile-messages.ts";

/**
 * Looks at a model's reference data and at what the model makes of it, in a process of its own: an unproven model may crash or hang
 * this process, and nothing else.
 */

/** Rows per run: bounds the memory of intermediate tensors. */
const batchRows = 4096;
/** Columns of one output that are counted, the first ones; more are embeddings rather than answers. Said in docs/drift-counters.md. */
const mostOutputColumns = 64;

process.once("message", (job: ProfileChildJob) => {
  profile(job)
    .then((data): ProfileChildReply => ({ kind: "profiled", data }))
    .catch((error: unknown): ProfileChildReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function profile(job: ProfileChildJob): Promise<ProfiledData> {
  const inputs = fillInputs(job.signature, job.features);
  const { table, rows, rowsOfSet, sampledEvery } = await readReference(job.datasetPath, inputs);
  if (rows === 0) throw new Error("the reference data has no rows");
  const skipped: string[] = [];
  const session = await createSession(await readFile(job.modelPath), job.signature);
  const outputs = await profileOutputs(session, inputs, table, rows, skipped);
  return {
    rowsOfSet,
    sampledEvery,
    rows,
    inputs: profileInputs(inputs, table, rows),
    outputs,
    skipped,
  };
}

/** As the model sees them: after the rounding of its own datatype. What was null stays apart from what is NaN. */
function profileInputs(inputs: readonly FilledInput[], table: Columns, rows: number): ProfiledColumn[] {
  return inputs.flatMap((input) => {
    const { spec, columns } = input;
    return columns.map((name, column) => {
      const raw = table.get(name) ?? [];
      const [tensor] = tensorsOf([{ spec, columns: [name] }], table, 0, rows);
      const seen = tensor && numbersOf(tensor);
      const values = Array.from({ length: rows }, (_, row) =>
        raw[row] === null ? null : (seen?.[row] ?? null),
      );
      const place = { tensor: spec.name, column, name };
      return referenceOf({ place, isText: spec.datatype === "BYTES" }, values);
    });
  });
}

interface Counted {
  readonly place: { readonly tensor: string; readonly column: number; readonly name: string };
  readonly isText: boolean;
}

function referenceOf(
  { place, isText }: Counted,
  values: readonly (number | bigint | string | null)[],
): ProfiledColumn {
  return isText
    ? levelsReference(
        place,
        values.map((value) => (value === null ? null : String(value))),
      )
    : numericReference(
        place,
        values.map((value) => (value === null ? null : Number(value))),
      );
}

async function profileOutputs(
  session: Session,
  inputs: readonly FilledInput[],
  table: Columns,
  rows: number,
  skipped: string[],
): Promise<ProfiledColumn[]> {
  const found = new Map<string, Counted & { readonly values: (number | bigint | string)[] }>();
  const perRun = inputs.some(({ spec }) => spec.shape[0] === 1) ? 1 : batchRows;
  for (let from = 0; from < rows; from += perRun) {
    const count = Math.min(perRun, rows - from);
    for (const output of await session.run(tensorsOf(inputs, table, from, count))) {
      const numbers = numbersOf(output);
      for (const counted of columnsOf(output, count, skipped)) {
        const key = `${counted.place.tensor} ${counted.place.column}`;
        const known = found.get(key) ?? { ...counted, values: [] };
        found.set(key, known);
        for (let row = 0; row < count; row++)
          known.values.push(numbers[row * counted.width + counted.place.column] ?? 0);
      }
    }
  }
  return [...found.values()].map((column) => referenceOf(column, column.values));
}

/** The columns of an output that have cells. */
function columnsOf(
  { name, datatype, data }: Tensor,
  rows: number,
  skipped: string[],
): (Counted & { readonly width: number })[] {
  const width = data.length / rows;
  const skip = (why: string): void => {
    if (!skipped.includes(why)) skipped.push(why);
  };
  if (!Number.isInteger(width)) {
    skip(`output ${name}: ${datatype} of another shape than rows and columns of numbers or text`);
    return [];
  }
  if (width > mostOutputColumns) skip(`output ${name}: columns from ${mostOutputColumns} on, of ${width}`);
  return Array.from({ length: Math.min(width, mostOutputColumns) }, (_, column) => ({
    place: { tensor: name, column, name: width === 1 ? name : `${name}.${column}` },
    isText: datatype === "BYTES",
    width,
  }));
}
