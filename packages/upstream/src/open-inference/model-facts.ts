import { type Datatype, datatypes, type TensorSpec } from "@portolan/onnx-format";
import { Compile, Type } from "@portolan/typebox";
import { askJson } from "../ask-json.ts";
import type { Connection } from "../connection.ts";
import { upstreamFault } from "../errors.ts";

/** Names a model at a server of the protocol. */
export interface ModelTarget {
  readonly model: string;
  readonly version?: string;
}

export interface ModelFacts {
  readonly signature: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] };
  /** It speaks the binary tensor extension. */
  readonly binaryTensors: boolean;
}

const Tensor = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 200 }),
  datatype: Type.String({ maxLength: 20 }),
  // Some servers write their 64-bit sizes as text.
  shape: Type.Array(Type.Union([Type.Integer(), Type.String({ pattern: "^-?\\d{1,10}$" })]), {
    maxItems: 16,
  }),
});
const Metadata = Compile(
  Type.Object({
    inputs: Type.Array(Tensor, { minItems: 1, maxItems: 256 }),
    outputs: Type.Array(Tensor, { minItems: 1, maxItems: 256 }),
  }),
);
const Server = Compile(Type.Object({ extensions: Type.Array(Type.String()) }));

export function modelPath({ model, version }: ModelTarget): string {
  const suffix = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${suffix}`;
}

/**
 * What the server says of itself and of the model.
 * @throws PortolanError `upstream.model_unfit`; rejects otherwise when it does not answer
 */
export async function readModelFacts(
  connection: Connection,
  target: ModelTarget,
  timeoutMs: number,
): Promise<ModelFacts> {
  const server = await askJson(connection, "/v2", timeoutMs);
  const extensions = Server.Check(server.body) ? server.body.extensions : [];
  const { status, body } = await askJson(connection, modelPath(target), timeoutMs);
  if (status !== 200 || !Metadata.Check(body))
    throw upstreamFault(
      "upstream.model_unfit",
      `The upstream answers ${status} when it is asked for the metadata of ${target.model}.`,
      "Check the model's name and version there, and the credential.",
    );
  const binaryTensors = extensions.some((name) => name.startsWith("binary_tensor_data"));
  const signature = { inputs: body.inputs.map(specOf), outputs: body.outputs.map(specOf) };
  requireForm([...signature.inputs, ...signature.outputs], binaryTensors);
  return { signature, binaryTensors };
}

function specOf({ name, datatype, shape }: { name: string; datatype: string; shape: (number | string)[] }) {
  if (!(datatypes as readonly string[]).includes(datatype))
    throw upstreamFault(
      "upstream.model_unfit",
      `"${name}" is of the datatype ${datatype}, which the Open Inference Protocol does not have.`,
      "Serve the model with tensors of the protocol's datatypes.",
    );
  return { name, datatype: datatype as Datatype, shape: shape.map((dim) => Math.max(-1, Number(dim))) };
}

function requireForm(tensors: readonly TensorSpec[], binaryTensors: boolean): void {
  const half = tensors.find(({ datatype }) => datatype === "FP16" || datatype === "BF16");
  if (!half || binaryTensors) return;
  throw upstreamFault(
    "upstream.model_unfit",
    `"${half.name}" is ${half.datatype}, which has no JSON form, and the upstream does not offer the binary tensor extension.`,
    "Serve it with a server that does, or with FP32 tensors.",
  );
}

/** How what is served now differs from what was registered; `undefined` when it does not. Order does not count. */
export function differenceOf(
  registered: ModelFacts["signature"],
  now: ModelFacts["signature"],
): string | undefined {
  const form = ({ name, datatype, shape }: TensorSpec): string => `${name} ${datatype} [${shape.join(",")}]`;
  const sides = [
    ["input", registered.inputs, now.inputs],
    ["output", registered.outputs, now.outputs],
  ] as const;
  for (const [what, before, after] of sides) {
    const there = new Set(after.map(form));
    const known = new Set(before.map(form));
    const lost = before.find((spec) => !there.has(form(spec)));
    if (lost) return `the ${what} ${form(lost)} is not there`;
    const added = after.find((spec) => !known.has(form(spec)));
    if (added) return `the ${what} ${form(added)} is new`;
  }
  return undefined;
}
