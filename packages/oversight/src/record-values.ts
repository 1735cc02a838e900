import type { LoggedBody, PredictionPayload } from "@portolan/predictions/contract";
import type { LabelValue } from "./contract.ts";

/** One named value of a record, as people and expressions see it. */
export interface NamedValue {
  readonly name: string;
  readonly value: string | number | boolean | null;
}

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly rows: number;
  readonly values: readonly unknown[];
}

/** The tensors of a request or answer of the Open Inference Protocol in JSON; undefined for any other body. */
function tensorsOf(body: LoggedBody | undefined, member: "inputs" | "outputs"): Tensor[] | undefined {
  if (!body || !/json/.test(body.mediaType)) return undefined;
  const listed = memberOf(parsed(body.bytes), member);
  if (!Array.isArray(listed)) return undefined;
  return listed.flatMap((one: unknown) => {
    const [name, shape, data] = [memberOf(one, "name"), memberOf(one, "shape"), memberOf(one, "data")];
    if (typeof name !== "string" || !Array.isArray(data)) return [];
    const extents: unknown[] = Array.isArray(shape) ? shape : [];
    const [rows = 1] = extents;
    const values: unknown[] = data.flat(8);
    const datatype = memberOf(one, "datatype");
    return [
      {
        name,
        datatype: typeof datatype === "string" ? datatype : "",
        rows: typeof rows === "number" ? rows : Number.NaN,
        values,
      },
    ];
  });
}

/** Each value of a body of one row by its name, `name[2]` where a name has several; undefined for other bodies. */
export function namedValues(
  body: LoggedBody | undefined,
  member: "inputs" | "outputs",
): NamedValue[] | undefined {
  const tensors = tensorsOf(body, member);
  if (!tensors || tensors.some(({ rows }) => rows !== 1)) return undefined;
  return tensors.flatMap(({ name, values }) => named(name, values));
}

/**
 * The score of an answer of one row: the last value of its last floating-point output, as evaluations and performance read it; undefined for several rows, other bodies,
 * and what is no finite number.
 */
export function scoreOf(outputs: LoggedBody | undefined): number | undefined {
  const tensor = scoresTensor(outputs);
  const value = tensor?.rows === 1 ? tensor.values.at(-1) : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Rows of an answer: those of its last floating-point output; undefined where there is none. */
export function rowsIn(outputs: LoggedBody | undefined): number | undefined {
  const rows = scoresTensor(outputs)?.rows;
  return rows !== undefined && Number.isInteger(rows) && rows > 0 ? rows : undefined;
}

function scoresTensor(outputs: LoggedBody | undefined): Tensor | undefined {
  return tensorsOf(outputs, "outputs")?.findLast(({ datatype }) => /^(FP|BF)\d+$/.test(datatype));
}

/** The scores of a list, row after row: of each the last value, as performance reads them; undefined where one is no finite number. */
export function listScores(outputs: LoggedBody | undefined): number[] | undefined {
  const tensor = scoresTensor(outputs);
  if (!tensor) return undefined;
  const scores = rowsOfTensor(tensor)?.map((row) => row.at(-1));
  return scores?.every((score) => typeof score === "number" && Number.isFinite(score))
    ? (scores as number[])
    : undefined;
}

/** The values of each row of a request, by their names; undefined for other bodies, and where tensors differ in their rows. */
export function listedRows(inputs: LoggedBody | undefined): NamedValue[][] | undefined {
  const tensors = tensorsOf(inputs, "inputs");
  const rows = tensors?.[0]?.rows;
  if (!tensors || rows === undefined || tensors.some((tensor) => tensor.rows !== rows)) return undefined;
  const listed = Array.from({ length: rows > mostListedRows ? 0 : rows }, (): NamedValue[] => []);
  for (const tensor of tensors) {
    const values = rowsOfTensor(tensor);
    if (!values) return undefined;
    for (const [at, row] of listed.entries()) row.push(...named(tensor.name, values[at] ?? []));
  }
  return listed.length < 2 ? undefined : listed;
}
/** As many as outcomes have relevances. */
const mostListedRows = 1000;

function rowsOfTensor({ rows, values }: Tensor): unknown[][] | undefined {
  const width = values.length / rows;
  if (!Number.isInteger(rows) || rows < 1 || !Number.isInteger(width) || width < 1) return undefined;
  return Array.from({ length: rows }, (_, at) => values.slice(at * width, (at + 1) * width));
}

function named(name: string, values: readonly unknown[]): NamedValue[] {
  return values.map((value, at) => ({
    name: values.length === 1 ? name : `${name}[${at}]`,
    value: isPlain(value) ? value : null,
  }));
}

/**
 * What the model said, as a label: yes from a score of 0.5 on; a quantity for regression; of several classes the one of the highest score, by its name where the charter
 * names as many, else the one text or whole number that the answer names, else its number; undefined where an answer is no label, as a text and the scores of a list are none.
 */
export function answerOf(
  task: string,
  outputs: LoggedBody | undefined,
  classes?: readonly string[],
): LabelValue | undefined {
  if (task === "generation" || task === "ranking") return undefined;
  const score = scoreOf(outputs);
  if (task === "binary_classification") return score === undefined ? undefined : score >= 0.5;
  if (task === "regression") return score;
  const highest = highestOf(outputs);
  if (highest && classes?.length === highest.of) return classes[highest.at];
  const said = tensorsOf(outputs, "outputs")?.find(
    ({ datatype, rows, values }) => rows === 1 && values.length === 1 && /^(BYTES|U?INT\d+)$/.test(datatype),
  )?.values[0];
  return typeof said === "string" || typeof said === "number" ? said : highest?.at;
}

/** Of scores that are alike the first is the highest, as performance has it. */
function highestOf(
  outputs: LoggedBody | undefined,
): { readonly at: number; readonly of: number } | undefined {
  const tensor = scoresTensor(outputs);
  if (tensor?.rows !== 1 || tensor.values.length < 2) return undefined;
  const values = tensor.values.filter((value) => typeof value === "number" && Number.isFinite(value));
  if (values.length < tensor.values.length) return undefined;
  const numbers = values as number[];
  return {
    at: numbers.indexOf(numbers.reduce((most, value) => Math.max(most, value), -Infinity)),
    of: numbers.length,
  };
}

/** A body as people may read it where it has no tensors: its text, cut; undefined for bytes. */
export function readableText(body: LoggedBody | undefined): string | undefined {
  if (!body || !/json|text/.test(body.mediaType)) return undefined;
  const text = Buffer.from(body.bytes.subarray(0, mostTextBytes)).toString("utf8");
  return body.bytes.length > mostTextBytes ? `${text}…` : text;
}
const mostTextBytes = 65_536;

/** What an expression of the charter sees: inputs, then features, then outputs by their names, and `score`; numbers are floats. */
export function rowOf(payload: PredictionPayload): Record<string, string | number | boolean | null> {
  const row: Record<string, string | number | boolean | null> = {};
  const features = (payload.features ?? []).map(({ name, value }) => ({ name, value }));
  const values = [
    ...(namedValues(payload.inputs, "inputs") ?? []),
    ...features,
    ...(namedValues(payload.outputs, "outputs") ?? []),
  ];
  for (const { name, value } of values) row[name] = value;
  const score = scoreOf(payload.outputs);
  if (score !== undefined) row["score"] = score;
  return row;
}

function isPlain(value: unknown): value is NamedValue["value"] {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
