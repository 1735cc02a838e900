import { createServer } from "node:http";

/**
 * An OpenAI-compatible server that has its answer ready: what a proxy adds to it is the proxy's. It is also a tensor server of the Open
 * Inference Protocol with one answer.
 *
 * Usage: node bench/proxy/fixed-upstream.ts; prints its port.
 */
const chat = Buffer.from(
  JSON.stringify({
    id: "gen-1",
    object: "chat.completion",
    created: 1,
    model: "fixed",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x".repeat(400) } }],
    usage: { prompt_tokens: 30, completion_tokens: 100, total_tokens: 130 },
  }),
);
const tensor = { datatype: "FP32", shape: [-1, 2] };
const documents: Readonly<Record<string, object>> = {
  "/v1/models": { object: "list", data: [{ id: "fixed" }] },
  "/v2": { extensions: ["binary_tensor_data"] },
  "/v2/models/fixed": {
    name: "fixed",
    inputs: [{ name: "x", ...tensor }],
    outputs: [{ name: "y", ...tensor }],
  },
  "/v2/models/fixed/ready": {},
};
const head = Buffer.from(
  '{"model_name":"fixed","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}',
);
const inferred = Buffer.concat([head, Buffer.from(Float32Array.of(0.25, 0.75).buffer)]);

const server = createServer((request, response) => {
  const isTensors = request.url?.endsWith("/infer") === true;
  request.on("data", () => undefined);
  request.on("end", () => {
    const document = documents[request.url ?? ""];
    const body = document ? Buffer.from(JSON.stringify(document)) : isTensors ? inferred : chat;
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": body.length,
      ...(isTensors ? { "inference-header-content-length": String(head.length) } : {}),
    });
    response.end(body);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
