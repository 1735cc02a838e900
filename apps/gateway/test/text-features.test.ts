import { join } from "node:path";
import { asEpochMicros, systemClock } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { identityModel, onnxType } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** docs/spec/features.md F74: a text that is online reaches a model that takes texts, and whoever reads features. */

const digest = `sha256:${"0".repeat(64)}`;
const installation = new TestInstallation();
const longest = "\u{1f6eb}".repeat(63);
const texts: Readonly<Record<string, string>> = {
  a: "Z\u00fcrich",
  b: "",
  c: "it's \"\\\n",
  d: longest,
  e: "NaN",
};
const from = { kind: "feature" as const, view: "accounts@1", feature: "carrier" };
const plan = {
  service: "s",
  entityKeys: ["account"],
  views: [{ name: "accounts@1", digest, entityKeys: ["account"], texts: ["carrier"] }],
  columns: [{ input: "in", index: null, from, missing: "unknown" }],
  maxAgeMs: null,
};

let gateway: TestGateway;
beforeAll(async () => {
  installation.add("carriers", identityModel(onnxType.string, [null]), { features: plan });
  installation.grantReading("carriers");
  await installation.publish(1);
  const store = openOnlineStore({ folder: join(installation.home, "features/online") });
  const { organisationId } = installation;
  const header = { organisationId, environment: "dev", view: "accounts@1", digest };
  const keys = Object.entries(texts).map(([key, text]) => ({ key: [key], values: [text, 1] }));
  await store.replace(
    { ...header, ttlMicros: 3_600_000_000, featureNames: ["carrier", "balance"] },
    asEpochMicros(systemClock.now()),
    [...keys, { key: ["none"], values: [null, 1] }],
  );
  await store.close();
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

const account = [...Object.keys(texts), "none", "nobody"];

test("a model is given the texts, and the stand-in where there is none", async () => {
  const data = { name: "account", shape: [account.length], datatype: "BYTES", data: account };
  const response = await gateway.post("/v2/models/carriers/infer", JSON.stringify({ inputs: [data] }));
  const body = (await response.json()) as {
    readonly parameters: { readonly features: string };
    readonly outputs: readonly { readonly data: readonly string[] }[];
  };
  expect(response.status).toBe(200);
  expect(body.outputs[0]?.data).toEqual([...Object.values(texts), "unknown", "unknown"]);
  expect(JSON.parse(body.parameters.features)).toMatchObject({
    "accounts@1": { features: { carrier: { present: 5, null: 1, not_found: 1 } } },
  });
});

test("features are read as JSON texts, each with its status", async () => {
  const asked = { endpoint: "carriers", entities: { account } };
  const response = await gateway.post("/v1/features/online", JSON.stringify(asked), {
    "x-portolan-purpose": "care",
  });
  const body = (await response.json()) as { readonly views: readonly { readonly features: unknown }[] };
  expect(body.views[0]?.features).toEqual([
    {
      name: "carrier",
      values: [...Object.values(texts), null, null],
      statuses: [...Object.values(texts).map(() => "present"), "null", "not_found"],
    },
  ]);
});
