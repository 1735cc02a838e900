import type { ModelSignature } from "@portolan/onnx-format";
import { readBinaryTensor, writeBinaryTensor } from "../binary-tensor.ts";
import { AnswerCheck, unfit } from "../client/answer-check.ts";
import type { Tensor } from "../tensor.ts";
import { bigintOf, type ModelTarget, messages } from "./messages.ts";
import { readTypedContents } from "./typed-contents.ts";

/**
 * A `ModelInferRequest` to another server, for all of its outputs. Tensors go raw: that has a form for every datatype, and servers
 * answer in the form in which they were asked.
 *
 * @param target as the other server names it; an empty version is the one that it serves
 */
export function writeGrpcInfer({ name, version }: ModelTarget, inputs: readonly Tensor[]): Uint8Array {
  return messages.inferRequest.encode({
    model_name: name,
    model_version: version,
    id: "",
    parameters: {},
    inputs: inputs.map((tensor) => ({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape })),
    outputs: [],
    raw_input_contents: inputs.map(({ data }) => writeBinaryTensor(data)),
  });
}

/**
 * Another server's `ModelInferResponse`, checked like its REST answer. Raw and typed contents are both read: some servers answer
 * typed whatever they were asked.
 *
 * @returns the outputs in the signature's order; BYTES stay packed
 * @throws PortolanError `serving.bad_request` saying what does not fit, with a pointer into the answer
 */
export function readGrpcAnswer(bytes: Uint8Array, signature: ModelSignature): Tensor[] {
  const { outputs, raw_output_contents: raw } = decode(bytes);
  if (raw.length > 0 && raw.length !== outputs.length)
    throw unfit(`${raw.length} raw contents came for ${outputs.length} outputs.`, "/raw_output_contents");
  const check = new AnswerCheck(signature);
  outputs.forEach((output, index) => {
    const { name, datatype, contents } = output;
    const pointer = `/outputs/${index}`;
    const shape = output.shape.map((dim) => Number(bigintOf(dim)));
    const expected = check.expect({ name, datatype, shape }, pointer);
    if (!expected) return;
    const content = raw[index];
    check.add(
      expected,
      content === undefined
        ? readTypedContents(contents ?? {}, expected, `${pointer}/contents`, "packed")
        : readBinaryTensor(
            content,
            expected.spec.datatype,
            expected.shape,
            `/raw_output_contents/${index}`,
            "packed",
          ),
    );
  });
  return check.finish();
}

function decode(bytes: Uint8Array) {
  try {
    return messages.inferResponse.decode(bytes);
  } catch {
    throw unfit("The answer is not a ModelInferResponse.", "");
  }
}
