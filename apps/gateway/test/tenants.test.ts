import { identityModel, onnxType } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

interface Given {
  readonly id: string;
  readonly sent: string;
  readonly principalId: string;
}

/** Texts that say whose they are: what leaks is seen. */
function rowsOf(tenant: number, turn: number): string[] {
  return Array.from({ length: 1 + (turn % 3) }, (_, row) => `tenant-${tenant} turn-${turn} row-${row}`);
}

async function overRest(gateway: TestGateway, apiKey: string, endpoint: string, data: readonly string[]) {
  const inputs = [{ name: "in", shape: [data.length], datatype: "BYTES", data }];
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, JSON.stringify({ inputs }), {
    authorization: `Bearer ${apiKey}`,
  });
  const text = await response.text();
  const { outputs } = JSON.parse(text) as { outputs?: readonly { readonly data: readonly string[] }[] };
  const id = response.headers.get("x-portolan-prediction-id") ?? "";
  return { status: response.status, given: outputs?.[0]?.data, id, text };
}

test("tenants that ask at once get their own answers and records, by shared runs, kept answers and either protocol", async () => {
  const limits = { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 60_000, bodyBytes: 100_000 };
  const model = identityModel(onnxType.string, [null]);
  installation.add("shared", model, { limits, batching: { maxDelayMs: 2, preferredRows: [] } });
  installation.add("kept", model, { limits, cache: { maxBytes: 2 ** 20 } });
  const tenants = Array.from({ length: 4 }, () => installation.addTenant("shared", "kept"));
  await installation.publish(1);
  const gateway = await installation.start();
  const wrong: string[] = [];
  const all: Given[] = [];
  const ask = async (tenant: number, lane: number, turn: number): Promise<void> => {
    const { apiKey, principalId } = tenants[tenant] ?? { apiKey: "", principalId: "" };
    const data = rowsOf(tenant, lane * 1000 + turn);
    const { status, given, id, text } = await overRest(gateway, apiKey, turn % 2 ? "shared" : "kept", data);
    if (status !== 200 || JSON.stringify(given) !== JSON.stringify(data)) wrong.push(`${data[0]} → ${text}`);
    all.push({ id, sent: data[0] ?? "", principalId });
  };
  const lanes = tenants.flatMap((_, tenant) =>
    Array.from({ length: 8 }, async (_unused, lane) => {
      for (let turn = 0; turn < 25; turn++) await ask(tenant, lane, turn);
    }),
  );
  const overGrpc = tenants.map(async ({ apiKey }, tenant) => {
    const client = new GrpcClient(gateway.grpcAddress, apiKey);
    for (let turn = 0; turn < 25; turn++) {
      const data = rowsOf(tenant, 50_000 + turn);
      const input = {
        name: "in",
        datatype: "BYTES",
        shape: [data.length],
        parameters: {},
        contents: { bytes_contents: data.map((text) => Buffer.from(text)) },
      };
      const bytes = messages.inferRequest.encode({
        model_name: "shared",
        model_version: "",
        id: "",
        parameters: {},
        inputs: [input as never],
        outputs: [],
        raw_input_contents: [],
      });
      const { message } = await client.call("ModelInfer", bytes, messages.inferResponse);
      const given = message.outputs[0]?.contents?.bytes_contents?.map((text) => Buffer.from(text).toString());
      if (JSON.stringify(given) !== JSON.stringify(data)) wrong.push(`${data[0]} → ${given?.join()}`);
    }
    client.close();
  });
  await Promise.all([...lanes, ...overGrpc]);
  expect(wrong.slice(0, 3)).toEqual([]);
  await gateway.end("SIGTERM");

  const records = new Map<string, (typeof stored)[number]>();
  const stored = installation.records();
  for (const record of stored) records.set(record.header.id, record);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  for (const { id, sent, principalId } of all) {
    const record = records.get(id);
    expect(record?.header.principal).toBe(principalId);
    expect(Buffer.from(record?.payload?.inputs?.bytes ?? []).toString()).toContain(sent);
    expect(Buffer.from(record?.payload?.outputs?.bytes ?? []).toString()).toContain(sent);
  }
});

test("whoever may not ask an endpoint learns nothing of it, by any path", async () => {
  installation.add("theirs", identityModel(onnxType.string, [null]));
  installation.add("ours", identityModel(onnxType.string, [null]));
  const stranger = installation.addTenant("ours");
  await installation.publish(1);
  const gateway = await installation.start();
  const headers = { authorization: `Bearer ${stranger.apiKey}` };
  const asked = await overRest(gateway, stranger.apiKey, "theirs", ["a"]);
  const missing = await overRest(gateway, stranger.apiKey, "nowhere", ["a"]);
  const without = (text: string) => text.replaceAll(/req_\w+|theirs|nowhere/g, "");
  expect([asked.status, without(asked.text)]).toEqual([404, without(missing.text)]);
  for (const path of ["", "/ready", "/config", "/stats", "/versions/1"])
    expect((await gateway.get(`/v2/models/theirs${path}`, headers)).status).toBe(404);
  expect((await gateway.get("/v1/models/theirs", headers)).status).toBe(404);
  for (const path of ["/v2/models", "/v1/models", "/v2/models/stats"])
    expect(await (await gateway.get(path, headers)).text()).not.toContain("theirs");
  const index = await gateway.post("/v2/repository/index", "{}", headers);
  expect(await index.json()).toMatchObject([{ name: "ours" }]);
});
