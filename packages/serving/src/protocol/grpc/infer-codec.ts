import type { ModelSignature } from "@portolan/onnx-format";
import { badRequest } from "../bad-request.ts";
import { type BytesForm, readBinaryTensor, writeBinaryTensor } from "../binary-tensor.ts";
import type { InferRequest, Parameter, RequestedOutput } from "../infer-request.ts";
import { findOutput, type InferAnswer } from "../infer-response.ts";
import { checkOutputName, describeTensors, SignatureCheck } from "../signature-check.ts";
import {
  bigintOf,
  type InferRequestMessage,
  type InferResponseMessage,
  type ModelTarget,
  messages,
  type ParameterMessage,
  peekInferTarget,
  type TensorMessage,
} from "./messages.ts";
import { readTypedContents, writeTypedContents } from "./typed-contents.ts";

/** @throws PortolanError `serving.bad_request` when the bytes are no `ModelInferRequest` */
function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw badRequest(
      `The message is not a ModelInferRequest: ${cause instanceof Error ? cause.message.slice(0, 120) : "unreadable"}.`,
      "",
      "Generate the client from the protocol's .proto.",
    );
  }
}

/** @throws PortolanError `serving.bad_request` when the bytes are no message */
export function readInferTarget(bytes: Uint8Array): ModelTarget {
  return reading(() => peekInferTarget(bytes));
}

/**
 * Checks a gRPC inference request against what the endpoint takes. Tensors are typed or raw, one style for all inputs.
 *
 * @throws PortolanError `serving.bad_request` with a pointer and the mend
 */
export function readGrpcInfer(
  bytes: Uint8Array,
  signature: ModelSignature,
  bytesForm: BytesForm = "text",
): InferRequest {
  const message = reading(() => messages.inferRequest.decode(bytes));
  const { inputs, raw_input_contents: raw } = message;
  if (inputs.length === 0)
    throw badRequest("The request has no inputs.", "/inputs", `Send ${describeTensors(signature.inputs)}.`);
  if (raw.length > 0 && raw.length !== inputs.length)
    throw badRequest(
      `${raw.length} raw contents came for ${inputs.length} inputs.`,
      "/raw_input_contents",
      "Send all inputs raw, in their order, or none.",
    );
  const check = new SignatureCheck(signature);
  inputs.forEach((input, index) => {
    const pointer = `/inputs/${index}`;
    const shape = input.shape.map((dim) => Number(bigintOf(dim)));
    const checked = check.check({ name: input.name, datatype: input.datatype, shape }, pointer);
    const bytes = raw[index];
    if (bytes !== undefined && input.contents)
      throw badRequest(`"${input.name}" has both typed and raw contents.`, pointer, "Send one of them.");
    check.add(
      checked,
      bytes === undefined
        ? readTypedContents(input.contents ?? {}, checked, `${pointer}/contents`, bytesForm)
        : readBinaryTensor(
            bytes,
            checked.spec.datatype,
            checked.shape,
            `/raw_input_contents/${index}`,
            bytesForm,
          ),
    );
  });
  return {
    ...(message.id === "" ? {} : { id: message.id }),
    parameters: readParameters(message.parameters),
    inputs: check.finish(),
    outputs: readOutputs(message, signature),
  };
}

function readOutputs(message: InferRequestMessage, signature: ModelSignature): RequestedOutput[] {
  // Raw in, raw out: clients that send raw tensors read nothing else.
  const binary = message.raw_input_contents.length > 0;
  if (message.outputs.length === 0) return signature.outputs.map(({ name }) => ({ name, binary }));
  const seen = new Set<string>();
  return message.outputs.map(({ name }, index) => ({
    name: checkOutputName(name, seen, signature, `/outputs/${index}`),
    binary,
  }));
}

function readParameters(given: InferRequestMessage["parameters"]): Readonly<Record<string, Parameter>> {
  const out: Record<string, Parameter> = Object.create(null) as Record<string, Parameter>;
  for (const [key, choice] of Object.entries(given)) {
    // A map's entry may lack its value.
    if (!choice) continue;
    const whole = choice.int64_param ?? choice.uint64_param;
    const { parameter_choice: kind } = choice;
    if (kind === "bool_param") out[key] = choice.bool_param === true;
    else if (kind === "string_param") out[key] = choice.string_param ?? "";
    else if (kind === "double_param") out[key] = choice.double_param ?? 0;
    else if (whole !== undefined) out[key] = bigintOf(whole);
  }
  return out;
}

function parameterMessage(value: Parameter): ParameterMessage {
  if (typeof value === "boolean") return { bool_param: value };
  if (typeof value === "number") return { double_param: value };
  return { string_param: value.toString() };
}

/** The answer as a message: raw where the request was raw, and for datatypes that have no typed form. */
export function inferResponseMessage(
  answer: InferAnswer,
  requested: readonly RequestedOutput[],
): InferResponseMessage {
  const tensors = requested.map(({ name }) => findOutput(answer, name));
  const typed = tensors.map((tensor) => writeTypedContents(tensor));
  const isRaw = requested.some(({ binary }) => binary) || typed.includes(undefined);
  const outputs = tensors.map((tensor, index): TensorMessage => {
    const { name, datatype, shape } = tensor;
    const contents = typed[index];
    return { name, datatype, shape, ...(isRaw || contents === undefined ? {} : { contents }) };
  });
  return {
    model_name: answer.modelName,
    model_version: answer.modelVersion,
    id: answer.id ?? "",
    parameters: Object.fromEntries(
      Object.entries(answer.parameters).map(([key, value]) => [key, parameterMessage(value)]),
    ),
    outputs,
    raw_output_contents: isRaw ? tensors.map((tensor) => writeBinaryTensor(tensor.data)) : [],
  };
}
