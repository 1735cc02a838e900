import { type Datatype, datatypes, type TensorSpec } from "@portolan/onnx-format";
import { Compile, Type } from "@portolan/typebox";
import { upstreamFault } from "../errors.ts";

/** Names a model at a server of the protocol. */
export interface ModelTarget {
  readonly model: string;
  readonly version?: string;
}

export interface ModelFacts {
  readonly signature: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] };
  /** It takes and gives tensors as bytes: the binary tensor extension of REST, or gRPC. */
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

/**
 * A server's metadata of a model, whichever protocol it came by.
 * @param described may be anything
 * @throws PortolanError `upstream.model_unfit`
 */
export function factsOf(described: unknown, binaryTensors: boolean, model: string): ModelFacts {
  if (!Metadata.Check(described)) throw metadataRefused("no metadata of tensors", model);
  const signature = { inputs: described.inputs.map(specOf), outputs: described.outputs.map(specOf) };
  requireForm([...signature.inputs, ...signature.outputs], binaryTensors);
  return { signature, binaryTensors };
}

/** @param answered a status, or what came in place of metadata */
export function metadataRefused(answered: string, model: string): Error {
  return upstreamFault(
    "upstream.model_unfit",
    `The upstream answers ${answered} when it is asked for the metadata of ${model}.`,
    "Check the model's name and version there, and the credential.",
  );
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
