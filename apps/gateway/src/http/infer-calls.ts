import type { IncomingMessage } from "node:http";
import {
  type ModelOperation,
  readInferRequest,
  readRawRequest,
  readV1Predict,
  writeInferResponse,
  writeV1Answer,
} from "@portolan/serving/policy";
import type { InferCall } from "../infer/infer-call.ts";
import { fault } from "./answers.ts";
import { watchCaller } from "./caller-gone.ts";
import { readBody } from "./read-body.ts";

const jsonType = "application/json";
const binaryType = "application/octet-stream";

function common(request: IncomingMessage, { model, version }: ModelOperation) {
  return {
    model,
    ...(version === undefined ? {} : { version }),
    remoteAddress: request.socket.remoteAddress ?? "unknown",
    connection: request.socket,
    headers: request.headers,
    watchCaller: () => watchCaller(request),
    readBody: (maxBytes: number) => readBody(request, maxBytes),
  };
}

/** `POST /v2/models/{name}/infer`: JSON, JSON with binary tensors, or one raw tensor. */
export function v2Call(request: IncomingMessage, operation: ModelOperation): InferCall {
  const header = request.headers["inference-header-content-length"];
  return {
    ...common(request, operation),
    mediaType: header === undefined ? jsonType : binaryType,
    read(body, signature, bytesForm) {
      const jsonBytes = jsonLength(header, body.length);
      return jsonBytes === 0
        ? readRawRequest(body, signature, bytesForm)
        : readInferRequest(body, jsonBytes, signature, bytesForm);
    },
    write(answer, { outputs }) {
      const { body, jsonBytes } = writeInferResponse(answer, outputs);
      return jsonBytes === undefined
        ? { body, contentType: jsonType, headers: {} }
        : {
            body,
            contentType: binaryType,
            headers: { "inference-header-content-length": String(jsonBytes) },
          };
    },
  };
}

/** `POST /v1/models/{name}:predict`. */
export function v1Call(request: IncomingMessage, operation: ModelOperation): InferCall {
  return {
    ...common(request, operation),
    mediaType: jsonType,
    read: readV1Predict,
    write: (answer, { outputs }) => ({
      body: writeV1Answer(answer, outputs),
      contentType: jsonType,
      headers: {},
    }),
  };
}

/** Length of the JSON part: 0 says that there is none, `undefined` that there is nothing else. */
function jsonLength(header: string | string[] | undefined, bodyBytes: number): number | undefined {
  if (header === undefined) return undefined;
  const length = typeof header === "string" && /^\d{1,10}$/.test(header) ? Number(header) : -1;
  if (length >= 0 && length <= bodyBytes) return length;
  throw fault(
    "serving.bad_request",
    "Inference-Header-Content-Length is not the length of the JSON part.",
    "Send a number between 0 (a raw tensor alone) and the body's length.",
  );
}
