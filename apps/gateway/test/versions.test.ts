import { logisticModel, loopModel } from "@portolan/onnx-format/testing";
import type { Route } from "@portolan/serving/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
/** With x·w = 0 the score is the bias's: each model is known by its answer. */
const model = (bias: number) => logisticModel([0.5, -0.25], bias);
const scoreOf = (bias: number) => 1 / (1 + Math.exp(-bias));

interface Answer {
  readonly model_version: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}

async function ask(
  gateway: TestGateway,
  endpoint: string,
  headers: Readonly<Record<string, string>> = {},
  text = body,
) {
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, text, headers);
  const answer = (await response.json()) as Answer;
  return { status: response.status, headers: response.headers, answer, score: answer.outputs?.[0]?.data[0] };
}

async function recordsOf(gateway: TestGateway) {
  await gateway.end("SIGTERM");
  return installation.records().map(({ header }) => header);
}

function variant(
  name: string,
  kind: "split" | "shadow",
  version: number,
  bias: number,
): Route["variants"][number] {
  const reference = installation.reference("score", version, model(bias));
  return { name, kind, model: reference, features: null, sample: 1 };
}

describe("several versions behind one endpoint", () => {
  test("a request that names a version is answered by that one, whatever the shares and rules say", async () => {
    installation.add("score", model(0), {
      variants: [variant("next", "split", 2, 1), variant("later", "shadow", 3, 2)],
      traffic: {
        seed: "s",
        sticky: "request",
        split: [{ variant: "next", weight: 50 }],
        rules: [{ by: { header: "x-ring" }, values: ["beta"], variant: "next" }],
      },
    });
    await installation.publish(1);
    const gateway = await installation.start();
    const askVersion = (version: string, headers = {}) => ask(gateway, `score/versions/${version}`, headers);
    for (const [version, bias] of [
      ["1", 0],
      ["2", 1],
    ] as const)
      for (let n = 0; n < 10; n++) {
        const { answer, score } = await askVersion(version, n % 2 === 0 ? { "x-ring": "beta" } : {});
        expect(answer.model_version).toBe(version);
        expect(score).toBeCloseTo(scoreOf(bias), 5);
      }
    // A shadow answers nobody, and a version that is not there is none.
    for (const version of ["3", "4"]) expect((await askVersion(version)).status).toBe(404);

    const get = async <T>(path: string) => (await (await gateway.get(path)).json()) as T;
    expect(await get("/v2/models/score")).toMatchObject({ versions: ["1", "2"] });
    expect(await get("/v2/models/score/versions/2")).toMatchObject({ versions: ["2"] });
    expect((await gateway.get("/v2/models/score/versions/2/ready")).status).toBe(200);
    expect((await gateway.get("/v2/models/score/versions/3/ready")).status).toBe(404);
    const statistics = (path: string) =>
      get<{ model_stats: readonly { version: string; inference_count: number }[] }>(path);
    const counted = async (path: string) =>
      (await statistics(path)).model_stats.map((one) => [one.version, one.inference_count]);
    expect(await counted("/v2/models/score/stats")).toEqual([
      ["1", 10],
      ["2", 10],
    ]);
    expect(await counted("/v2/models/score/versions/2/stats")).toEqual([["2", 10]]);
    const index = await (await gateway.post("/v2/repository/index", "{}")).json();
    expect(index).toMatchObject([
      { name: "score", version: "1", state: "READY" },
      { name: "score", version: "2", state: "READY" },
    ]);
    // Those who choose a version are no part of the shares, and neither are the copies of their requests: the records say so.
    await ask(gateway, "score");
    const answered = (await recordsOf(gateway)).filter(({ status }) => status.kind === "ok");
    expect(answered.filter(({ namesVersion }) => namesVersion !== true)).toHaveLength(2);
    expect(answered).toHaveLength(2 * 21);
  });

  test("a version whose end is announced says so with its own answers alone; when it has come, who names it is told, and its share is the endpoint's own version's", async () => {
    const announcedAt = 1_688_169_599_000_000;
    const traffic = {
      seed: "s",
      sticky: "request" as const,
      split: [{ variant: "next", weight: 100 }],
      rules: [],
    };
    const retiring = { model: "score", version: 2, announcedAt, successor: "https://models.example/3" };
    const late = Date.UTC(2199, 2, 1) * 1000;
    const both = { variants: [variant("next", "split", 2, 1)], traffic };
    installation.add("score", model(0), { ...both, retiring: [{ ...retiring, endsAt: late }] });
    installation.add("ended", model(0), { ...both, retiring: [{ ...retiring, endsAt: announcedAt + 1 }] });
    installation.add("sooner", model(0), {
      ...both,
      retiring: [{ ...retiring, endsAt: late }],
      sunset: { announcedAt, endsAt: late - 86_400_000_000 },
    });
    await installation.publish(1);
    const gateway = await installation.start();
    for (const asked of ["score/versions/2", "score"]) {
      const { answer, headers } = await ask(gateway, asked);
      expect(answer.model_version).toBe("2");
      expect(headers.get("sunset")).toBe("Fri, 01 Mar 2199 00:00:00 GMT");
      expect(headers.get("deprecation")).toBe("@1688169599");
      expect(headers.get("link")).toBe('<https://models.example/3>; rel="successor-version"');
    }
    const other = await ask(gateway, "score/versions/1");
    expect([other.status, other.headers.has("sunset"), other.headers.has("deprecation")]).toEqual([
      200,
      false,
      false,
    ]);
    expect((await ask(gateway, "ended/versions/2")).status).toBe(503);
    const share = await ask(gateway, "ended");
    expect([share.answer.model_version, share.headers.has("sunset")]).toEqual(["1", false]);
    // Behind the endpoint's own end there is none of its versions.
    const { headers } = await ask(gateway, "sooner/versions/2");
    expect([headers.get("sunset"), headers.has("link")]).toEqual(["Thu, 28 Feb 2199 00:00:00 GMT", false]);
  });

  test("shares, rules and shadows decide who answers; every record names its version and variant", async () => {
    installation.add("score", model(0), {
      variants: [variant("next", "split", 2, 1), variant("later", "shadow", 3, 2)],
      traffic: {
        seed: "s",
        sticky: "request",
        split: [{ variant: "next", weight: 30 }],
        rules: [{ by: { header: "x-ring" }, values: ["beta"], variant: "next" }],
      },
    });
    // The client belongs to no business unit: its tenant is the organisation.
    const rule = { by: "tenant" as const, values: [installation.organisationId], variant: "next" };
    installation.add("theirs", model(0), {
      variants: [variant("next", "split", 2, 1)],
      traffic: { seed: "s", sticky: "tenant", split: [], rules: [rule] },
    });
    await installation.publish(1);
    const gateway = await installation.start();
    expect((await ask(gateway, "theirs")).answer.model_version).toBe("2");
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(gateway, "score")));
    const next = answers.filter(({ answer }) => answer.model_version === "2");
    expect(next.length).toBeGreaterThan(10);
    expect(next.length).toBeLessThan(60);
    for (const { answer, score } of answers)
      expect(score).toBeCloseTo(answer.model_version === "2" ? scoreOf(1) : scoreOf(0), 5);
    const ruled = await ask(gateway, "score", { "x-ring": "beta" });
    expect([ruled.answer.model_version, ruled.headers.get("x-portolan-tier")]).toEqual(["2", "inline"]);
    await expect
      .poll(async () => (await (await gateway.get("/metrics")).text()).includes('outcome="ok"} 101'))
      .toBe(true);
    const all = await recordsOf(gateway);
    const records = all.filter(({ context }) => context.endpoint === "score");
    const count = (variantName: string, version: string) =>
      records.filter(({ context }) => context.variant === variantName && context.model?.version === version)
        .length;
    expect(count("shadow", "3")).toBe(101);
    expect(count("canary", "2")).toBe(next.length + 1);
    expect(count("champion", "1")).toBe(100 - next.length);
    // A shadow's record is found by the request that it saw.
    const requests = new Set(
      records.filter(({ context }) => context.variant !== "shadow").map((one) => one.requestId),
    );
    expect(requests.size).toBe(101);
    for (const { requestId } of records) expect(requests.has(requestId)).toBe(true);
  });

  test("a shadow whose model is not the signed one costs callers nothing, and the refusal is on the record once", async () => {
    const broken = variant("later", "shadow", 3, 2);
    installation.add("score", model(0), {
      variants: [{ ...broken, model: { ...broken.model, digest: `sha256:${"0".repeat(64)}` } }],
    });
    await installation.publish(1);
    const gateway = await installation.start();
    for (let i = 0; i < 5; i++) expect((await ask(gateway, "score")).status).toBe(200);
    const records = await recordsOf(gateway);
    expect(records.filter(({ status }) => status.kind === "ok")).toHaveLength(5);
    const refused = records.flatMap(({ status }) => (status.kind === "refused" ? [status.reason] : []));
    expect(refused).toEqual(["serving.model_refused"]);
  });
});

test("a shadow that fails is left alone by its circuit, costs what it ran, and its callers see nothing", async () => {
  const loop = loopModel(400_000n);
  const shadow = installation.reference("slow", 2, loop, "imported");
  installation.add("quick", loopModel(1n), {
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 100, bodyBytes: 1000 },
    variants: [{ name: "trial", kind: "shadow", model: shadow, features: null, sample: 1 }],
  });
  await installation.publish(1);
  const gateway = await installation.start();
  const one = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[3]}]}';
  const page = async () => (await gateway.get("/metrics")).text();
  const isOpen =
    /portolan_gateway_circuit_open\{endpoint="quick",environment="dev",model="slow\/2"\} (1|0.5)/;
  await expect
    .poll(
      async () => {
        const { score, status } = await ask(gateway, "quick", {}, one);
        if (status === 200) expect(score).toBe(4);
        return isOpen.test(await page());
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  await ask(gateway, "quick", {}, one);
  await expect.poll(page).toMatch(/shadow_requests_total\{[^}]*outcome="breaker_open"\} \d/);
  const [, seconds] = /shadow_run_seconds_total\{[^}]*\} (\S+)/.exec(await page()) ?? [];
  expect(Number(seconds)).toBeGreaterThan(0.05);
});

test("a variant has no share until its bytes are here, and what the champion answers in its place is on the record as its failure", async () => {
  const split = (name: string) => ({
    seed: "s",
    sticky: "request" as const,
    split: [{ variant: name, weight: 100 }],
    rules: [],
  });
  const absent = variant("next", "split", 2, 1);
  installation.add("waiting", model(0), {
    variants: [{ ...absent, model: { ...absent.model, digest: `sha256:${"0".repeat(64)}` } }],
    traffic: split("next"),
  });
  installation.add("failing", model(0), {
    nonFiniteOutputs: "fallback",
    variants: [variant("next", "split", 3, Number.NaN)],
    traffic: split("next"),
  });
  await installation.publish(1);
  const gateway = await installation.start();
  const waited = await ask(gateway, "waiting");
  expect([waited.score, waited.headers.get("x-portolan-fallback")]).toEqual([scoreOf(0), null]);
  const failed = await ask(gateway, "failing");
  expect([failed.score, failed.headers.get("x-portolan-fallback")]).toEqual([scoreOf(0), "non_finite"]);
  const answered = (await recordsOf(gateway)).filter(({ status }) => status.kind === "ok");
  expect(answered.map(({ context }) => [context.endpoint, context.variant, context.insteadOf])).toEqual([
    ["waiting", "champion", undefined],
    ["failing", "fallback", { name: "score", version: "3" }],
  ]);
});

describe("the fallback chain", () => {
  const one = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[3]}]}';
  /** An imported model that takes far longer than its callers have. */
  const slow = (fallbacks: Route["fallbacks"], over: Partial<Route> = {}) => {
    const loop = loopModel(400_000n);
    return installation.add("slow", loop, {
      model: installation.reference("slow", 2, loop, "imported"),
      limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 40, bodyBytes: 1000 },
      fallbacks,
      ...over,
    });
  };

  test("a rule answers, marked in response and record; after five failures nobody waits any more", async () => {
    slow([
      { kind: "rule", expression: "if(x > 100.0, null, x * 2.0)" },
      { kind: "fixed", outputs: { y: 0.5 } },
    ]);
    await installation.publish(1);
    const gateway = await installation.start();
    const reasons: (string | null)[] = [];
    for (let i = 0; i < 12; i++) {
      const { status, headers, score, answer } = await ask(gateway, "slow", {}, one);
      expect([status, score, answer.parameters?.["answered_by"]]).toEqual([200, 6, "rule"]);
      expect(headers.get("x-portolan-answered-by")).toBe("rule");
      reasons.push(headers.get("x-portolan-fallback"));
    }
    expect(reasons.slice(0, 5)).not.toContain("breaker_open");
    expect(reasons.slice(5).filter((reason) => reason === "breaker_open").length).toBeGreaterThan(3);
    expect(await (await gateway.get("/metrics")).text()).toMatch(
      /portolan_gateway_circuit_open\{endpoint="slow",environment="dev",model="slow\/2"\} (1|0.5)/,
    );
    // The rule gives no value here: the step after it does.
    const large = await ask(gateway, "slow", {}, one.replace("[3]", "[300]"));
    expect([large.score, large.headers.get("x-portolan-answered-by")]).toEqual([0.5, "fixed"]);
    const records = await recordsOf(gateway);
    expect(new Set(records.map(({ context }) => context.variant))).toEqual(new Set(["fallback"]));
    // No model gave these answers, and none is named.
    expect(records.every(({ context }) => context.model === undefined)).toBe(true);
  });

  test("the charter's own breaker opens after as many failures as it says, for as long as it says", async () => {
    const breaker = { consecutiveFailures: 2, failureRate: 1, openMs: 60_000 };
    slow([{ kind: "fixed", outputs: { y: 0.5 } }], {
      resilience: { maxInFlight: 1000, slowMs: 60_000, targetWaitMs: 10_000, breaker },
    });
    await installation.publish(1);
    const gateway = await installation.start();
    const reasons: (string | null)[] = [];
    for (let i = 0; i < 8; i++)
      reasons.push((await ask(gateway, "slow", {}, one)).headers.get("x-portolan-fallback"));
    const opened = reasons.indexOf("breaker_open");
    expect(opened).toBeGreaterThanOrEqual(2);
    // A wait behind the first run, which has not ended, says nothing yet.
    expect(opened).toBeLessThan(5);
    expect(new Set(reasons.slice(opened))).toEqual(new Set(["breaker_open"]));
  });

  test("callers that give up at once cost the model nothing: its runner lives, its circuit stays closed", async () => {
    slow([], { limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 60_000, bodyBytes: 1000 } });
    await installation.publish(1);
    const gateway = await installation.start();
    const impatient = one.replace('"inputs"', '"parameters":{"timeout":1},"inputs"');
    for (let i = 0; i < 12; i++) expect((await ask(gateway, "slow", {}, impatient)).status).toBe(504);
    const patient = await ask(gateway, "slow", {}, one);
    expect([patient.status, patient.headers.get("x-portolan-tier")]).toEqual([200, "runner"]);
    expect(await (await gateway.get("/metrics")).text()).toMatch(
      /portolan_gateway_circuit_open\{endpoint="slow",environment="dev",model="slow\/2"\} 0/,
    );
    expect(gateway.output).not.toContain("quarantine");
  });

  test("without a chain the caller gets the fault, and the record has it", async () => {
    slow([]);
    await installation.publish(1);
    const gateway = await installation.start();
    const { status, answer } = await ask(gateway, "slow", {}, one);
    expect(status).toBe(504);
    expect(answer).toMatchObject({ code: "serving.timeout" });
  });
});

test("an endpoint that keeps answers gives the same one without a run, on the record all the same", async () => {
  installation.add("score", model(1), { cache: { maxBytes: 1_048_576 } });
  await installation.publish(1);
  const gateway = await installation.start();
  const marks: (string | null)[] = [];
  for (const values of ["1,2", "1,2", "1,3", "1,2"]) {
    const { headers, score } = await ask(gateway, "score", {}, body.replace("1,2]}", `${values}]}`));
    marks.push(headers.get("x-portolan-cache"));
    if (values === "1,2") expect(score).toBeCloseTo(scoreOf(1), 5);
  }
  expect(marks).toEqual(["miss", "hit", "miss", "hit"]);
  const { model_stats } = (await (await gateway.get("/v2/models/score/stats")).json()) as {
    model_stats: readonly { execution_count: number; inference_stats: { cache_hit: { count: number } } }[];
  };
  expect(model_stats[0]).toMatchObject({ execution_count: 2, inference_stats: { cache_hit: { count: 2 } } });
  expect(await recordsOf(gateway)).toHaveLength(4);
});
