import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { systemClock } from "@portolan/kernel";
import { bucketEdgeMicros } from "@portolan/monitoring/policy";
import { identityModel, logisticModel, loopModel, onnxType } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

const body = '{"id":"r1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const score = logisticModel([0.5, -0.25], 0.1);
const expected = 1 / (1 + Math.exp(-0.1));

interface Answered {
  readonly model_version: string;
  readonly id: string;
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}
async function answer(response: Response): Promise<Answered> {
  expect(response.status).toBe(200);
  return (await response.json()) as Answered;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000 && !(await condition()); i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await condition()).toBe(true);
}

describe("with control away, from disk alone", () => {
  test("it serves, records, survives kill -9 and SIGTERM, and goes on with the next epoch", async () => {
    installation.add("score", score);
    await installation.publish(1);
    const first = await installation.start();
    const response = await first.post("/v2/models/score/infer", body);
    const id = response.headers.get("x-portolan-prediction-id") ?? "";
    const given = await answer(response);
    expect(given).toMatchObject({ model_version: "1", id: "r1" });
    expect(given.outputs[0]?.data[0]).toBeCloseTo(expected, 6);
    expect(id).toMatch(/^prd_[0-9a-z]{26}_1_/);
    expect(response.headers.get("server-timing")).toMatch(/auth;dur=.*run;dur=.*log;dur=/);
    expect(response.headers.get("ratelimit")).toMatch(/r=\d+/);
    await first.end("SIGKILL");
    const second = await installation.start();
    const again = await second.post("/v2/models/score/versions/1/infer", body);
    await answer(again);
    expect(again.headers.get("x-portolan-prediction-id")).toMatch(/^prd_[0-9a-z]{26}_2_/);
    expect(await second.end("SIGTERM")).toBe(0);
  });

  test("a prediction at an instant that its caller stated is marked in the record, a live one is not (F20)", async () => {
    const column = (index: number) => ({
      input: "x",
      index,
      from: { kind: "request" as const, name: `c${index}` },
      missing: null,
    });
    const features = {
      service: "s",
      entityKeys: ["origin"],
      views: [],
      columns: [column(0), column(1)],
      eventTime: "request" as const,
      maxAgeMs: 1000,
    };
    installation.add("replayed", score, { features });
    const { eventTime: _, ...atArrival } = features;
    installation.add("live", score, { features: atArrival });
    await installation.publish(1);
    const gateway = await installation.start();
    const sent = (stated?: string) =>
      JSON.stringify({
        ...(stated === undefined ? {} : { parameters: { event_time: stated } }),
        inputs: [
          { name: "origin", shape: [1], datatype: "BYTES", data: ["ATL"] },
          { name: "c0", shape: [1], datatype: "FP32", data: [1] },
          { name: "c1", shape: [1], datatype: "FP32", data: [2] },
        ],
      });
    await answer(await gateway.post("/v2/models/replayed/infer", sent("2001-04-10T15:00:00Z")));
    await answer(await gateway.post("/v2/models/replayed/infer", sent()));
    expect((await gateway.post("/v2/models/live/infer", sent("2001-04-10T15:00:00Z"))).status).toBe(400);
    await gateway.end("SIGTERM");
    const times = installation
      .records()
      .filter((record) => record.header.status.kind === "ok")
      .map((record) => record.header.eventTime);
    expect(times).toEqual([Date.UTC(2001, 3, 10, 15) * 1000, undefined]);
  });

  test("the protocol's health and metadata answer", async () => {
    installation.add("score", score);
    await installation.publish(1);
    const gateway = await installation.start();
    for (const path of [
      "/healthz",
      "/readyz",
      "/v2/health/live",
      "/v2/health/ready",
      "/v2/models/score/ready",
    ])
      expect([path, (await gateway.get(path)).status]).toEqual([path, 200]);
    expect(await (await gateway.get("/v2")).json()).toMatchObject({ name: "portolan" });
    expect(await (await gateway.get("/v2/models/score")).json()).toEqual({
      name: "score",
      versions: ["1"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1] }],
    });
    await gateway.post("/v2/models/score/infer", body);
    const metrics = await (await gateway.get("/metrics")).text();
    expect(metrics).toContain(
      'portolan_gateway_requests_total{endpoint="score",environment="dev",status="200",reason="ok"} 1',
    );
    // What rules for objectives weigh by.
    const edges = metrics.matchAll(
      /request_seconds_bucket{endpoint="score",environment="dev",le="([\d.]+)"}/g,
    );
    expect([...edges].map(([, edge]) => Number(edge) * 1_000_000)).toEqual([...bucketEdgeMicros]);
    await until(async () =>
      /^portolan_gateway_event_loop_delay_seconds \d/m.test(await (await gateway.get("/metrics")).text()),
    );
  });

  test("INT64 beyond 2^53 is exact there and back, as JSON and as binary", async () => {
    installation.add("echo", identityModel(onnxType.int64, [null]));
    await installation.publish(1);
    const gateway = await installation.start();
    const big =
      '{"inputs":[{"name":"in","shape":[2],"datatype":"INT64","data":[9007199254740993,-9223372036854775808]}]}';
    expect(await (await gateway.post("/v2/models/echo/infer", big)).text()).toContain(
      "[9007199254740993,-9223372036854775808]",
    );
    const head =
      '{"parameters":{"binary_data_output":true},"inputs":[{"name":"in","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}}]}';
    const raw = Buffer.from(BigInt64Array.of(2n ** 62n + 1n).buffer);
    const response = await gateway.post("/v2/models/echo/infer", Buffer.concat([Buffer.from(head), raw]), {
      "inference-header-content-length": String(head.length),
    });
    const jsonBytes = Number(response.headers.get("inference-header-content-length"));
    expect(Buffer.from(await response.arrayBuffer()).subarray(jsonBytes)).toEqual(raw);
  });
});

describe("refusals", () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    installation.add("score", score);
    installation.add("hidden", score);
    installation.revoke("hidden");
    installation.add("narrow", score, {
      limits: { ratePerSecond: 0.1, burst: 2, timeoutMs: 2000, bodyBytes: 1000 },
    });
    installation.add("purposeful", score, { purposes: ["care"] });
    await installation.publish(1);
    gateway = await installation.start();
  });

  test("bad requests get a 4xx with the protocol's error, a pointer and a mend", async () => {
    const cases: [string, string, number][] = [
      ['{"id":', "ends too early", 400],
      ["[]", "not a JSON object", 400],
      [body.replace("FP32", "FP64"), "is FP32", 400],
      [body.replace("[1,2]}", "[1]}"), "holds 2 elements", 400],
      [body.replace("[1,2]}", "[1,NaN]}"), "no NaN", 400],
      [body.replace('"id":"r1",', '"id":"r1","id":"r2",'), "appears twice", 400],
      [`{"inputs":${"[".repeat(200)}`, "nests deeper", 400],
      ["x".repeat(200_000), "exceeds 100000 bytes", 413],
    ];
    for (const [sent, says, status] of cases) {
      const response = await gateway.post("/v2/models/score/infer", sent);
      const problem = (await response.json()) as { error: string; mend: string; code: string };
      expect([says, response.status]).toEqual([says, status]);
      expect(problem.error).toContain(says);
      expect(problem.mend.length).toBeGreaterThan(5);
    }
    await answer(await gateway.post("/v2/models/score/infer", body));
  });

  test("unknown callers get 401; what is not granted looks like what does not exist", async () => {
    const nobody = await gateway.post("/v2/models/score/infer", body, { authorization: "Bearer nonsense" });
    expect(nobody.status).toBe(401);
    const strip = async (response: Response) => ({ ...((await response.json()) as object), instance: "" });
    const hidden = await gateway.post("/v2/models/hidden/infer", body);
    const missing = await gateway.post("/v2/models/missing/infer", body);
    expect([hidden.status, missing.status]).toEqual([404, 404]);
    expect(await strip(hidden)).toEqual(await strip(missing));
    expect((await gateway.get("/v2/models/hidden")).status).toBe(404);
  });

  test("beyond the limit: 429, when to come back, and on the record", async () => {
    for (let i = 0; i < 2; i++) await answer(await gateway.post("/v2/models/narrow/infer", body));
    const refused = await gateway.post("/v2/models/narrow/infer", body);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(1);
    expect(refused.headers.get("x-portolan-prediction-id")).toMatch(/^prd_/);
  });

  test("a purpose is required where the charter names purposes", async () => {
    expect((await gateway.post("/v2/models/purposeful/infer", body)).status).toBe(403);
    expect(
      (await gateway.post("/v2/models/purposeful/infer", body, { "x-portolan-purpose": "ads" })).status,
    ).toBe(403);
    await answer(await gateway.post("/v2/models/purposeful/infer", body, { "x-portolan-purpose": "care" }));
  });
});

describe("whom a request is about", () => {
  test("is on the record where the caller says it, in a short line; a refusal holds nothing of its request, and so nobody", async () => {
    installation.add("score", score);
    await installation.publish(1);
    const gateway = await installation.start();
    const asking = (model: string, named: string) =>
      gateway.post(`/v2/models/${model}/infer`, body, { "x-portolan-subject": named });
    await answer(await asking("score", "customer-17"));
    await answer(await asking("score", "customer-18"));
    await answer(await gateway.post("/v2/models/score/infer", body));
    expect((await asking("score", "x".repeat(201))).status).toBe(400);
    const bad = await gateway.post("/v2/models/score/infer", "{", { "x-portolan-subject": "customer-19" });
    expect(bad.status).toBe(400);
    await gateway.end("SIGTERM");
    const about = installation.records().map(({ header, payload }) => [header.status.kind, payload?.subject]);
    expect(about).toEqual([
      ["ok", "customer-17"],
      ["ok", "customer-18"],
      ["ok", undefined],
      ["refused", undefined],
      ["refused", undefined],
    ]);
  });
});

describe("acting for somebody else", () => {
  const posting = (gateway: TestGateway, model: string, named: string) =>
    gateway.post(`/v2/models/${model}/infer`, body, { "x-portolan-on-behalf-of": named });

  test("is stated by those alone who may, in a short line; others are refused, on the record", async () => {
    installation.add("score", score);
    installation.add("trusting", score);
    installation.grantActing("trusting");
    await installation.publish(1);
    const gateway = await installation.start({ INSIDE_NETWORKS: "none" });
    const refused = await posting(gateway, "score", "usr_somebody");
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
      403,
      "serving.act_for_forbidden",
    ]);
    expect(refused.headers.get("x-portolan-prediction-id")).toMatch(/^prd_/);
    expect((await posting(gateway, "trusting", "x".repeat(201))).status).toBe(400);
    expect((await posting(gateway, "trusting", "caf\u00e9")).status).toBe(400);
    const granted = await posting(gateway, "trusting", "usr_somebody");
    await answer(granted);
    await gateway.end("SIGTERM");
    const records = installation.records();
    const named = records.map(({ header, payload }) => [header.context.endpoint, payload?.onBehalfOf]);
    expect(named).toContainEqual(["trusting", "usr_somebody"]);
    expect(named.filter(([, whom]) => whom !== undefined)).toHaveLength(1);
    const sizes = [body.length, Number(granted.headers.get("content-length"))];
    expect(records.find(({ header }) => header.status.kind === "ok")?.header.bytes).toEqual({
      in: sizes[0],
      out: sizes[1],
      outside: true,
    });
  });
});

test("a token of an outside issuer is verified from the keys in the snapshot, and one signed by another key is not", async () => {
  installation.add("score", score);
  const issuer = "https://login.example";
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" };
  installation.trustIssuer(
    {
      issuer,
      organisationId: installation.organisationId,
      audiences: ["portolan"],
      algorithms: ["ES256"],
      tokenType: "at+jwt",
      jwks: { keys: [jwk] },
      subjectClaim: "sub",
      environments: ["dev"],
    },
    "shop",
  );
  await installation.publish(1);
  const gateway = await installation.start();
  const token = (privateKey: KeyObject) => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(systemClock.now() / 1e6);
    const claims = { iss: issuer, aud: "portolan", sub: "shop", iat: now - 5, exp: now + 600 };
    const signed = `${encode({ alg: "ES256", kid: "k1", typ: "at+jwt" })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return { authorization: `Bearer ${signed}.${signature.toString("base64url")}` };
  };
  await answer(await gateway.post("/v2/models/score/infer", body, token(pair.privateKey)));
  const forged = token(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  expect((await gateway.post("/v2/models/score/infer", body, forged)).status).toBe(401);
});

describe("models that misbehave", () => {
  test("one changed byte: refused with a clear error and a record, the others serve on", async () => {
    const route = installation.add("tampered", logisticModel([9, 9], 9));
    installation.add("score", score);
    await installation.publish(1);
    const path = installation.objectPath(route.model.digest);
    const bytes = readFileSync(path);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const gateway = await installation.start();
    const refused = await gateway.post("/v2/models/tampered/infer", body);
    expect(refused.status).toBe(503);
    expect(await refused.text()).toContain("were changed");
    expect(gateway.output).toContain("gateway.model.refused");
    await answer(await gateway.post("/v2/models/score/infer", body));
  });

  test("a killed runner and an endless inference leave the gateway and the other models alone", async () => {
    const loop = loopModel(100_000n);
    installation.add("slow", loop, {
      model: installation.reference("slow", 1, loop, "imported"),
      limits: { ratePerSecond: 1000, burst: 1000, timeoutMs: 5, bodyBytes: 1000 },
      fallbacks: [{ kind: "fixed", outputs: { y: 0.5 } }],
    });
    installation.add("score", score);
    await installation.publish(1);
    const gateway = await installation.start();
    const one = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}';
    const runner = execFileSync("pgrep", ["-P", String(gateway.child.pid)])
      .toString()
      .trim();
    process.kill(Number(runner), "SIGKILL");
    await answer(await gateway.post("/v2/models/score/infer", body));
    await until(async () => (await gateway.get("/v2/models/slow/ready")).status === 200);
    let late = await gateway.post("/v2/models/slow/infer", one);
    // The first may still meet the killed runner, and an answer that came while the gateway itself was busy counts as in time.
    for (let more = 0; more < 20 && late.headers.get("x-portolan-fallback") !== "timeout"; more++)
      late = await gateway.post("/v2/models/slow/infer", one);
    expect(late.headers.get("x-portolan-fallback")).toBe("timeout");
    expect((await answer(late)).outputs[0]?.data).toEqual([0.5]);
    const readiness = async () => (await gateway.get("/v2/models/slow/ready")).text();
    await until(async () => {
      await gateway.post("/v2/models/slow/infer", one);
      return (await readiness()).includes("quarantined");
    });
    // Deadlines are no crashes: it comes back by itself.
    await until(async () => (await readiness()).includes('"ready":true'));
    await answer(await gateway.post("/v2/models/score/infer", body));
    expect(gateway.child.exitCode).toBeNull();
    expect(gateway.output).toMatch(/"walls":"(namespaces|account|none)".*gateway\.runner\.walls/);
  });
});
