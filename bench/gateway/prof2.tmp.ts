import { newId } from "@portolan/kernel";
import { readInferRequest, readPath, writeInferResponse } from "@portolan/serving/policy";
import { prepareRecord } from "../../packages/predictions/src/record-encoder.ts";
import { parseWireJson } from "../../packages/serving/src/protocol/json.ts";

const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = Buffer.from(`{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`);
const signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 30], symbols: ["N", null] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2], symbols: ["N", null] }],
} as never;
function time(name: string, f: () => unknown) {
  for (let i = 0; i < 30000; i++) f();
  const best = Math.min(
    ...Array.from({ length: 5 }, () => {
      const s = process.hrtime.bigint();
      for (let i = 0; i < 50000; i++) f();
      return Number(process.hrtime.bigint() - s) / 50000;
    }),
  );
  console.log(name.padEnd(20), best.toFixed(0), "ns");
}
time("JSON.parse", () => JSON.parse(body.toString()));
time("parseWireJson", () => parseWireJson(body));
time("readInferRequest", () => readInferRequest(body, undefined, signature));
time("readPath", () => readPath("POST", "/v2/models/m/infer"));
time("newId", () => newId("request", (Date.now() * 1000) as never));
const answer = {
  modelName: "m",
  modelVersion: "1",
  parameters: {},
  outputs: [{ name: "y", datatype: "FP32", shape: [1, 2], data: new Float32Array([0.1, 0.9]) }],
} as never;
time("writeInferResponse", () => writeInferResponse(answer, [{ name: "y", binary: false }]));
const context = { organisationId: "org_00000000000000000000000000", environment: "dev" } as never;
