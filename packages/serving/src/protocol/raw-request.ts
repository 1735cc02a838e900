import type { ModelSignature } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import { type BytesForm, packElements, readBinaryTensor } from "./binary-tensor.ts";
import type { InferRequest } from "./infer-request.ts";
import { elementsOf, numericKinds } from "./tensor.ts";

/**
 * Reads a raw binary request (`Inference-Header-Content-Length: 0`): the body is the one input's bytes and nothing
 * else, its shape follows from their number, and all outputs come back as binary data.
 *
 * @throws PortolanError `serving.bad_request` when the model has several inputs or the bytes fill no whole shape
 */
export function readRawRequest(
  body: Uint8Array,
  signature: ModelSignature,
  bytesForm: BytesForm = "text",
): InferRequest {
  const [spec] = signature.inputs;
  if (!spec || signature.inputs.length > 1)
    throw badRequest(
      `A raw request carries one input, this model takes ${signature.inputs.length}.`,
      "",
      "Send the JSON form with binary_data_size.",
    );
  const outputs = signature.outputs.map(({ name }) => ({ name, binary: true }));
  const shape = spec.datatype === "BYTES" ? spec.shape.map(() => 1) : shapeOf(body.length, spec);
  const data =
    spec.datatype === "BYTES"
      ? readBinaryTensor(packElements([body]), "BYTES", shape, "", bytesForm)
      : readBinaryTensor(body, spec.datatype, shape, "");
  return { parameters: {}, inputs: [{ name: spec.name, datatype: spec.datatype, shape, data }], outputs };
}

/** One variable dimension follows from the bytes; where the rows vary too, a raw request is one row. */
function shapeOf(bytes: number, spec: ModelSignature["inputs"][number]): number[] {
  const width = numericKinds[spec.datatype as keyof typeof numericKinds].bytes;
  const open = spec.shape.flatMap((dim, index) => (dim === -1 ? [index] : []));
  const free = open.length === 2 && open[0] === 0 ? open[1] : open[0];
  if (open.length > 2 || (open.length === 2 && open[0] !== 0))
    throw badRequest(
      `The shape [${spec.shape.join(", ")}] has too many variable dimensions for a raw request.`,
      "",
      "Send the JSON form with binary_data_size.",
    );
  const known = spec.shape.map((dim) => (dim === -1 ? 1 : dim));
  const unit = elementsOf(known) * width;
  const size = free === undefined ? 1 : bytes / unit;
  if (bytes === 0 || !Number.isInteger(size) || (free === undefined && bytes !== unit))
    throw badRequest(
      `${bytes} bytes fill no shape [${spec.shape.join(", ")}] of ${spec.datatype}.`,
      "",
      `Send whole rows of ${unit} bytes.`,
    );
  return known.map((dim, index) => (index === free ? size : dim));
}
