import type { Datatype, ModelSignature } from "@portolan/onnx-format";
import type { Tensor, TensorData } from "@portolan/serving/policy";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";

/** ONNX Runtime's names of the datatypes that it takes from JavaScript; BF16 is not among them. */
const ortTypes: Readonly<Record<Datatype, OrtTensor.Type | undefined>> = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
  BF16: undefined,
};

/** One loaded model in this process. `run` blocks the thread that it is called on until the model is done. */
export interface Session {
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
  release(): Promise<void>;
}

/** Loads verified bytes with one thread per run, so that latency does not depend on what else the machine does. */
export async function createSession(bytes: Uint8Array, signature: ModelSignature): Promise<Session> {
  const unsupported = [...signature.inputs, ...signature.outputs].find((spec) => !ortTypes[spec.datatype]);
  if (unsupported)
    throw new Error(`"${unsupported.name}" is ${unsupported.datatype}, which has no form in JavaScript`);
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: "sequential",
    executionProviders: ["cpu"],
    logSeverityLevel: 3,
  });
  return {
    async run(inputs) {
      const feeds: Record<string, OrtTensor> = {};
      for (const input of inputs) feeds[input.name] = toOrt(input);
      const results = await session.run(feeds);
      return signature.outputs.map((spec) => {
        const result = results[spec.name];
        if (!result) throw new Error(`the model gave no output "${spec.name}"`);
        requireShape(result.dims, spec);
        return fromOrt(spec.name, spec.datatype, result);
      });
    },
    release: () => session.release(),
  };
}

/** One node that gives its input back, for one column of FP32. */
const nothing = Buffer.from(
  "CAgSEHBvcnRvbGFuLXRlc3Rpbmc6XQohCgJpbhIDb3V0GgxJZGVudGl0eV9vdXQiCElkZW50aXR5EgFnWhkKAmluEhMKEQgBEg0KBxIFYmF0Y2gKAggBYhoKA291dBITChEIARINCgcSBWJhdGNoCgIIAUIECgAQEQ==",
  "base64",
);

/** Pays what the first session of a process costs beside its model (some 22 MiB), so that the next one shows its own. */
export async function loadRuntime(): Promise<void> {
  const tensor = { name: "in", datatype: "FP32" as const, shape: [-1, 1] };
  const session = await createSession(nothing, { inputs: [tensor], outputs: [{ ...tensor, name: "out" }] });
  await session.run([{ ...tensor, shape: [1, 1], data: new Float32Array(1) }]);
  await session.release();
}

function toOrt(tensor: Tensor): OrtTensor {
  const { data, datatype, shape } = tensor;
  const type = ortTypes[datatype];
  if (type === undefined) throw new Error(`${datatype} has no form in JavaScript`);
  // The constructor's overloads are per type; the table above is what keeps type and data together.
  const made = new OrtTensor(type as "float32", data as Float32Array, shape);
  // The constructor turns FP16 bits into a Float16Array, of which the native binding (1.30) sees 0 bytes.
  if (datatype === "FP16") Object.defineProperty(made, "data", { value: data });
  return made;
}

/** ONNX Runtime only warns when an output is not as the model declares it; clients were told what it declares. */
function requireShape(dims: readonly number[], { name, shape }: ModelSignature["outputs"][number]): void {
  if (dims.length === shape.length && shape.every((dim, at) => dim === -1 || dim === dims[at])) return;
  throw new Error(`the model gave "${name}" as [${dims.join(", ")}] and declares [${shape.join(", ")}]`);
}

function fromOrt(name: string, datatype: Datatype, tensor: OrtTensor): Tensor {
  const shape = [...tensor.dims];
  const raw: unknown = tensor.data;
  let data: TensorData;
  if (raw instanceof Float16Array) data = new Uint16Array(raw.buffer, raw.byteOffset, raw.length);
  else data = raw as TensorData;
  return { name, datatype, shape, data };
}
