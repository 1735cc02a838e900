import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { asEpochMicros, formatInstant, systemClock } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** docs/spec/features.md F50 to F52, F68: features over HTTP, without a prediction. */

const digest = `sha256:${"0".repeat(64)}`;
const installation = new TestInstallation();
const model = logisticModel([0.5, -0.25], 0.1);
const now = systemClock.now();
const minutes = 60_000_000;

const feature = (view: string, name: string, index: number) => ({
  input: "x",
  index,
  from: { kind: "feature" as const, view, feature: name },
  missing: 0,
});
const plan = (maxAgeMs: number | null = null) => ({
  service: "s",
  entityKeys: ["account", "shop"],
  views: [
    { name: "accounts@1", digest, entityKeys: ["account"] },
    { name: "visits@1", digest, entityKeys: ["account", "shop"] },
  ],
  columns: [feature("accounts@1", "balance", 0), feature("visits@1", "count", 1)],
  maxAgeMs,
});

let gateway: TestGateway;
beforeAll(async () => {
  installation.add("churn", model, { features: plan() });
  installation.add("fresh", model, { features: plan(60_000), purposes: ["care"] });
  installation.add("hidden", model, { features: plan() });
  installation.add("plain", model);
  const limits = { ratePerSecond: 0.01, burst: 1, timeoutMs: 2000, bodyBytes: 100_000 };
  installation.add("slow", model, { features: plan(), limits });
  installation.add("few", model, { features: plan(), limits: { ...limits, burst: 2 } });
  for (const name of ["churn", "fresh", "plain", "slow", "few"]) installation.grantReading(name);
  await installation.publish(1);
  const store = openOnlineStore({ folder: join(installation.home, "features/online") });
  const header = {
    organisationId: installation.organisationId,
    environment: "dev",
    digest,
    ttlMicros: 60 * minutes,
  };
  const accounts = { ...header, view: "accounts@1", featureNames: ["balance", "secret"] };
  await store.replace(accounts, asEpochMicros(now - 120 * minutes), [{ key: ["old"], values: [9, 1] }]);
  await store.update(accounts, asEpochMicros(now - 5 * minutes), [
    { key: ["a"], values: [3, 1] },
    { key: ["nothing"], values: [null, 1] },
  ]);
  const visits = { ...header, view: "visits@1", featureNames: ["count"] };
  await store.replace(visits, asEpochMicros(now), [{ key: ["a", "7"], values: [2] }]);
  await store.close();
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

interface Body {
  readonly code?: string;
  readonly detail?: string;
  readonly mend?: string;
  readonly at: string & { readonly pointer?: string };
  readonly views: readonly {
    readonly features: readonly {
      readonly values: readonly unknown[];
      readonly statuses: readonly string[];
    }[];
  }[];
}

const purposeful = { "x-portolan-purpose": "care" };

async function ask(body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await gateway.post("/v1/features/online", text, { ...purposeful, ...headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

const accountsOnly = (endpoint: string, account: unknown[]) => ({
  endpoint,
  entities: { account },
  features: ["accounts@1"],
});

describe("values", () => {
  test("each has its status, and each row its event time; the model's features alone are told", async () => {
    const account = ["a", "nothing", "nobody", "old"];
    const { status, body } = await ask({ endpoint: "churn", entities: { account, shop: [7, "7", 7, 7] } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ endpoint: "churn", service: "s", rows: 4 });
    const fiveAgo = formatInstant(asEpochMicros(now - 5 * minutes));
    expect(body.views).toEqual([
      {
        name: "accounts@1",
        event_times: [fiveAgo, fiveAgo, null, formatInstant(asEpochMicros(now - 120 * minutes))],
        features: [
          {
            name: "balance",
            values: [3, null, null, null],
            statuses: ["present", "null", "not_found", "outside_max_age"],
          },
        ],
      },
      {
        name: "visits@1",
        event_times: [formatInstant(now), null, null, null],
        features: [
          {
            name: "count",
            values: [2, null, null, null],
            statuses: ["present", "not_found", "not_found", "not_found"],
          },
        ],
      },
    ]);
    expect(Date.parse(body.at)).toBeGreaterThanOrEqual(Math.floor(now / 1000));
  });

  test("the charter's freshness counts as it does for predictions, and so do its purposes", async () => {
    const asked = accountsOnly("fresh", ["a"]);
    expect(await ask(asked, { "x-portolan-purpose": "" })).toMatchObject({
      status: 403,
      body: { code: "serving.purpose_required" },
    });
    const { body } = await ask(asked, { "x-portolan-purpose": "care" });
    expect(body.views[0]?.features).toEqual([
      { name: "balance", values: [null], statuses: ["outside_max_age"] },
    ]);
  });

  test("of many entities each gets its own; the metrics count values by status", async () => {
    const account = Array.from({ length: 1000 }, (_, row) => (row % 2 === 0 ? "a" : `u${row}`));
    const { body } = await ask(accountsOnly("churn", account));
    expect(body.views).toHaveLength(1);
    expect(body.views[0]?.features[0]?.values).toEqual(account.map((name) => (name === "a" ? 3 : null)));
    const metrics = await (await gateway.get("/metrics")).text();
    expect(metrics).toMatch(
      /portolan_gateway_feature_values_total\{endpoint="churn",environment="dev",status="not_found"\} 5\d\d/,
    );
  });
});

describe("who may, and what is refused", () => {
  test("nobody without a credential, nobody without the grant, and a missing endpoint looks the same", async () => {
    const asked = accountsOnly("churn", ["a"]);
    expect(await ask(asked, { authorization: "Bearer nothing" })).toMatchObject({ status: 401 });
    const hidden = await ask({ ...asked, endpoint: "hidden" });
    const missing = await ask({ ...asked, endpoint: "nowhere" });
    for (const { status, body } of [hidden, missing])
      expect([status, body.code, body.detail]).toEqual([
        404,
        "serving.endpoint_not_found",
        missing.body.detail,
      ]);
    expect(await ask(asked, { "x-portolan-environment": "production" })).toMatchObject({ status: 404 });
    const got = await gateway.get("/v1/features/online");
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test("for a purpose for which the policies on data do not allow it as it is, nothing is read", async () => {
    for (const purpose of ["", "marketing"]) {
      const { status, body } = await ask(accountsOnly("churn", ["a"]), { "x-portolan-purpose": purpose });
      expect([status, body.code, body.views]).toEqual([403, "serving.purpose_required", undefined]);
    }
  });

  test("the endpoint's limits count", async () => {
    const asked = accountsOnly("slow", ["a"]);
    expect((await ask(asked)).status).toBe(200);
    const { status, headers, body } = await ask(asked);
    expect([status, body.code, headers.get("retry-after") !== null]).toEqual([
      429,
      "serving.rate_limited",
      true,
    ]);
  });

  test("each entity counts, not each request", async () => {
    expect((await ask(accountsOnly("few", ["a", "b", "c"]))).status).toBe(200);
    expect((await ask(accountsOnly("few", ["a"]))).status).toBe(429);
  });

  test.each([
    ["no JSON", "{", ""],
    ["a list", [], ""],
    ["no endpoint", { entities: { account: ["a"] } }, "/endpoint"],
    ["an endpoint without features", { endpoint: "plain", entities: { account: ["a"] } }, "/endpoint"],
    ["no entities", { endpoint: "churn" }, "/entities"],
    ["no entity", { endpoint: "churn", entities: { account: [] } }, "/entities/account"],
    ["a null key", accountsOnly("churn", [null]), "/entities/account/0"],
    ["a broken number", accountsOnly("churn", [1.5]), "/entities/account/0"],
    ["too many", accountsOnly("churn", Array(1001).fill("a")), "/entities/account"],
    ["lists that differ", { endpoint: "churn", entities: { account: ["a"], shop: [] } }, "/entities/shop"],
    ["rows that differ", { endpoint: "churn", entities: { account: ["a"], shop: [1, 2] } }, "/entities"],
    ["a key that is missing", { endpoint: "churn", entities: { account: ["a"] } }, "/entities"],
    [
      "a key that is not asked for",
      { ...accountsOnly("churn", ["a"]), entities: { account: ["a"], x: ["b"] } },
      "/entities",
    ],
    [
      "a feature of the view that the model does not take",
      { ...accountsOnly("churn", ["a"]), features: ["accounts@1.secret"] },
      "/features/0",
    ],
    ["no feature", { ...accountsOnly("churn", ["a"]), features: [] }, "/features"],
    ["another member", { ...accountsOnly("churn", ["a"]), at: "now" }, ""],
  ])("%s is a clear error", async (_, asked, pointer) => {
    const { status, body } = await ask(asked);
    expect([status, body.code, body.at?.pointer]).toEqual([400, "serving.bad_request", pointer]);
    expect(body.mend).toBeTruthy();
  });

  test("a body of more than a megabyte is not read", async () => {
    const { status, body } = await ask(accountsOnly("churn", ["a".repeat(1024 * 1024)]));
    expect([status, body.code]).toEqual([413, "serving.body_too_large"]);
  });
});

test("reads and refusals are on the record, each answer has a line in the access log, and a store that does not answer is a status", async () => {
  await gateway.end("SIGTERM");
  const target = join(installation.home, "features-access.log");
  const other = await installation.start({ FEATURES_REDIS_URL: "redis://127.0.0.1:9", ACCESS_LOG: target });
  const response = await other.post(
    "/v1/features/online",
    JSON.stringify(accountsOnly("churn", ["a"])),
    purposeful,
  );
  const body = (await response.json()) as { views: { features: unknown[] }[] };
  expect(body.views[0]?.features).toEqual([{ name: "balance", values: [null], statuses: ["unavailable"] }]);
  await other.post("/v1/features/online", JSON.stringify(accountsOnly("nowhere", ["a"])));
  await other.end("SIGTERM");
  const lines = (await readFile(target, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toMatchObject([
    { status: 200, endpoint: "churn", environment: "dev" },
    { status: 404, code: "serving.endpoint_not_found" },
  ]);
  expect(new Set(lines.map((line) => line["principal"])).size).toBe(1);
  const records = installation.records().map(({ header }) => header);
  expect(JSON.stringify(records)).toContain("serving.endpoint_not_found");
  const reads = records.flatMap(({ status, context, ...more }) =>
    status.kind === "read" ? [{ ...more, ...status, endpoint: context.endpoint }] : [],
  );
  const told = (endpoint: string) => reads.filter((one) => one.endpoint === endpoint);
  expect(new Set(reads.map(({ principal }) => principal))).toEqual(new Set([lines[0]?.["principal"]]));
  expect(new Set(told("churn").map(({ purpose }) => purpose))).toEqual(new Set(["care"]));
  // Of one kind the first is announced, and none of those whose reading was refused is told.
  const both = told("churn").filter(({ views }) => views.length === 2);
  expect(both.every(({ views }) => views.join() === "accounts@1,visits@1")).toBe(true);
  expect(told("churn").reduce((sum, { entities }) => sum + entities, 0)).toBeGreaterThanOrEqual(1000 + 4 + 1);
  expect(told("hidden")).toEqual([]);
});
