import { join } from "node:path";
import { asEpochMicros, systemClock } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** docs/spec/features.md F40, F41: what becomes of features that are missing, and what answers and records say of them. */

const digest = `sha256:${"0".repeat(64)}`;
const installation = new TestInstallation();
const model = logisticModel([0.5, -0.25], 0.1);
const score = (feature: number) => 1 / (1 + Math.exp(-(0.5 * feature - 0.25 * 2 + 0.1)));
const fixed = 0.75;

function planOf(missing?: "refuse" | "fallback") {
  return {
    service: "s",
    entityKeys: ["account"],
    views: [{ name: "accounts@1", digest, entityKeys: ["account"], ...(missing ? { missing } : {}) }],
    columns: [
      {
        input: "x",
        index: 0,
        from: { kind: "feature" as const, view: "accounts@1", feature: "balance" },
        missing: 0,
      },
      { input: "x", index: 1, from: { kind: "request" as const, name: "c" }, missing: null },
    ],
    maxAgeMs: null,
  };
}

let now: number;
beforeAll(async () => {
  const fallbacks = [{ kind: "fixed" as const, outputs: { score: fixed } }];
  installation.add("default", model, { features: planOf() });
  installation.add("refuse", model, { features: planOf("refuse"), fallbacks });
  installation.add("fallback", model, { features: planOf("fallback"), fallbacks });
  await installation.publish(1);
  now = systemClock.now();
  const store = openOnlineStore({ folder: join(installation.home, "features/online") });
  const header = {
    organisationId: installation.organisationId,
    environment: "dev",
    view: "accounts@1",
    digest,
    ttlMicros: 3_600_000_000,
    featureNames: ["balance"],
  };
  await store.replace(header, asEpochMicros(now - 7_200_000_000), [
    { key: ["old"], values: [9] },
    { key: ["a"], values: [9] },
  ]);
  await store.update(header, asEpochMicros(now), [
    { key: ["a"], values: [3] },
    { key: ["nothing"], values: [null] },
  ]);
  await store.close();
});
afterAll(() => installation.dispose());

const asked = (...accounts: string[]) =>
  JSON.stringify({
    inputs: [
      { name: "account", shape: [accounts.length], datatype: "BYTES", data: accounts },
      { name: "c", shape: [accounts.length], datatype: "FP32", data: accounts.map(() => 2) },
    ],
  });

async function told(gateway: TestGateway, endpoint: string, ...accounts: string[]) {
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, asked(...accounts));
  const body = (await response.json()) as {
    readonly parameters?: { readonly features?: string; readonly fallback?: string };
    readonly outputs?: readonly { readonly data: readonly number[] }[];
    readonly code?: string;
    readonly detail?: string;
  };
  return {
    status: response.status,
    code: body.code,
    detail: body.detail,
    scores: body.outputs?.[0]?.data.map((value) => Number(value.toFixed(4))),
    fallback: body.parameters?.fallback,
    features: body.parameters?.features === undefined ? undefined : JSON.parse(body.parameters.features),
  };
}

const rounded = (feature: number) => Number(score(feature).toFixed(4));

describe("features from the store in the state folder", () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await installation.start();
  });
  afterAll(() => gateway.end("SIGTERM"));

  test("what is there is served under each policy, and the answer says how fresh it is", async () => {
    for (const endpoint of ["default", "refuse", "fallback"]) {
      const { status, scores, features } = await told(gateway, endpoint, "a", "nothing");
      expect([status, scores]).toEqual([200, [rounded(3), rounded(0)]]);
      const { oldest, ...counts } = features["accounts@1"];
      expect(counts).toEqual({ features: { balance: { present: 1, null: 1 } } });
      expect(Date.parse(oldest)).toBe(Math.floor(now / 1000));
    }
  });

  test("what is missing or too old is stood in for, refused, or the fallback's, as the charter says", async () => {
    for (const [account, status, why] of [
      ["nobody", "not_found", /not known/],
      ["old", "outside_max_age", /older than/],
    ] as const) {
      const stoodIn = await told(gateway, "default", account);
      expect(stoodIn.scores).toEqual([rounded(0)]);
      expect(stoodIn.features["accounts@1"].features).toEqual({ balance: { [status]: 1 } });
      const refused = await told(gateway, "refuse", "a", account);
      expect([refused.status, refused.code]).toEqual([424, "serving.features_unavailable"]);
      expect(refused.detail).toMatch(why);
      const fallen = await told(gateway, "fallback", "a", account);
      expect(fallen).toMatchObject({ status: 200, fallback: "features_missing", scores: [fixed, fixed] });
    }
  });

  test("whether features were fresh, and who answered in the model's place, is counted", async () => {
    const counted = async (line: string): Promise<number> => {
      const page = await (await gateway.get("/metrics")).text();
      return Number(
        page
          .split("\n")
          .find((one) => one.startsWith(line))
          ?.slice(line.length) ?? 0,
      );
    };
    const features = (endpoint: string, kind: string) =>
      counted(
        `portolan_gateway_feature_answers_total{endpoint="${endpoint}",environment="dev",features="${kind}"}`,
      );
    const before = {
      fresh: await features("default", "fresh"),
      missing: await features("default", "missing"),
    };
    await told(gateway, "default", "a", "nothing");
    await told(gateway, "default", "a", "old");
    expect(await features("default", "fresh")).toBe(before.fresh + 1);
    expect(await features("default", "missing")).toBe(before.missing + 1);
    const refused = await features("refuse", "missing");
    await told(gateway, "refuse", "nobody");
    expect(await features("refuse", "missing")).toBe(refused + 1);
    const fallback = `portolan_gateway_fallback_answers_total{endpoint="fallback",environment="dev",reason="features_missing",answered_by="fixed"}`;
    const [fallen, missing] = [await counted(fallback), await features("fallback", "missing")];
    await told(gateway, "fallback", "nobody");
    expect([await counted(fallback), await features("fallback", "missing")]).toEqual([
      fallen + 1,
      missing + 1,
    ]);
  });

  test("gRPC answers name the features, too", async () => {
    const grpc = new GrpcClient(gateway.grpcAddress, installation.apiKey);
    const request = messages.inferRequest.encode({
      model_name: "default",
      model_version: "",
      id: "r1",
      parameters: {},
      inputs: [
        { name: "account", datatype: "BYTES", shape: [1], contents: { bytes_contents: [Buffer.from("a")] } },
        { name: "c", datatype: "FP32", shape: [1], contents: { fp32_contents: [2] } },
      ] as never,
      outputs: [],
      raw_input_contents: [],
    });
    const { message } = await grpc.call("ModelInfer", request, messages.inferResponse);
    grpc.close();
    const { features } = message.parameters as { features?: { string_param?: string } };
    expect(JSON.parse(features?.string_param ?? "{}")["accounts@1"].features).toEqual({
      balance: { present: 1 },
    });
  });
});

test("a store that does not answer is a status, and the charter's word counts; records have it", async () => {
  const gateway = await installation.start({ FEATURES_REDIS_URL: "redis://127.0.0.1:9" });
  const stoodIn = await told(gateway, "default", "a");
  expect(stoodIn.scores).toEqual([rounded(0)]);
  expect(stoodIn.features["accounts@1"]).toEqual({ features: { balance: { unavailable: 1 } } });
  expect(await told(gateway, "refuse", "a")).toMatchObject({ status: 424 });
  expect(await told(gateway, "fallback", "a")).toMatchObject({
    fallback: "features_missing",
    scores: [fixed],
  });
  await gateway.end("SIGTERM");
  const features = installation.records().flatMap(({ payload }) => [...(payload?.features ?? [])]);
  const seen = new Set(features.map(({ source, status }) => `${source} ${status}`));
  expect([...seen].toSorted()).toEqual([
    "default not_found",
    "default null",
    "default unavailable",
    "online undefined",
    "request undefined",
    "stale outside_max_age",
  ]);
});
