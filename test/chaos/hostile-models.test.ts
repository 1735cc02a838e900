import {
  graph,
  identityModel,
  int64Tensor,
  logisticModel,
  model,
  node,
  onnxType,
  valueInfo,
} from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";

/** Models that are valid ONNX, signed and deployed, and do what no caller can use. */
let installation: TestInstallation;
let gateway: TestGateway;

/** The square root: of a negative number it is NaN. */
const roots = model(
  graph({
    nodes: [node({ op: "Sqrt", inputs: ["x"], outputs: ["y"] })],
    inputs: [valueInfo("x", onnxType.float, [null])],
    outputs: [valueInfo("y", onnxType.float, [null])],
  }),
);

/** Says that it gives one number, and gives as many as it is not told to drop. */
const liar = model(
  graph({
    nodes: [
      node({ op: "Not", inputs: ["drop"], outputs: ["keep"] }),
      node({ op: "Compress", inputs: ["x", "keep"], outputs: ["y"] }),
    ],
    inputs: [valueInfo("x", onnxType.float, [null]), valueInfo("drop", onnxType.bool, [null])],
    outputs: [valueInfo("y", onnxType.float, [1])],
  }),
);

/** The sum of as many zeros as it is told, all of them in memory at once. */
const glutton = model(
  graph({
    nodes: [
      node({ op: "ConstantOfShape", inputs: ["n"], outputs: ["zeros"] }),
      node({ op: "ReduceSum", inputs: ["zeros", "axes"], outputs: ["y"] }),
    ],
    inputs: [valueInfo("n", onnxType.int64, [1])],
    outputs: [valueInfo("y", onnxType.float, [null])],
    initializers: [int64Tensor("axes", [1], [0n])],
  }),
);

beforeAll(async () => {
  installation = new TestInstallation();
  const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 10_000, bodyBytes: 100_000 };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  for (const origin of ["trained", "imported"] as const) {
    for (const [name, bytes] of Object.entries({ roots, liar, glutton })) {
      const endpoint = `${name}-${origin}`;
      installation.add(endpoint, bytes, {
        limits,
        model: installation.reference(endpoint, 1, bytes, origin),
      });
    }
  }
  installation.add("bits", identityModel(onnxType.float, [null]), {
    limits,
    nonFinite: "allow",
    nonFiniteOutputs: "allow",
  });
  await installation.publish(1);
  gateway = await installation.start({ RUNNER_MEMORY: "1024" });
});
afterAll(() => installation.dispose());

async function ask(endpoint: string, inputs: readonly object[]) {
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, JSON.stringify({ inputs }));
  const body = (await response.json()) as { code?: string; mend?: string; outputs?: { data: unknown[] }[] };
  const id = response.headers.get("x-portolan-prediction-id");
  return { status: response.status, code: body.code, mend: body.mend, id, data: body.outputs?.[0]?.data };
}

const x = (data: readonly number[]) => ({ name: "x", shape: [data.length], datatype: "FP32", data });

async function serves(): Promise<void> {
  const answer = await ask("score", [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }]);
  expect(answer.status).toBe(200);
}

describe.each(["trained", "imported"])("a model that was %s", (origin) => {
  test("and returns NaN: JSON cannot carry it, so the model failed, on the record", async () => {
    expect(await ask(`roots-${origin}`, [x([4, 9])])).toMatchObject({ status: 200, data: [2, 3] });
    expect(await ask(`roots-${origin}`, [x([4, -9])])).toMatchObject({
      status: 502,
      code: "serving.model_failed",
      id: expect.stringMatching(/^prd_/) as string,
      mend: expect.stringMatching(/./) as string,
    });
    await serves();
  });

  test("and returns another shape than it said: never passed on as if it were right", async () => {
    const drop = (data: readonly boolean[]) => ({ name: "drop", shape: [3], datatype: "BOOL", data });
    expect(await ask(`liar-${origin}`, [x([1, 2, 3]), drop([true, false, true])])).toMatchObject({
      status: 200,
      data: [2],
    });
    expect(await ask(`liar-${origin}`, [x([1, 2, 3]), drop([false, false, false])])).toMatchObject({
      status: 502,
      code: "serving.model_failed",
      id: expect.stringMatching(/^prd_/) as string,
    });
    await serves();
  });

  test("and needs 50 GB for one answer: that answer fails, the gateway and its other models do not", async () => {
    const n = (count: number) => [{ name: "n", shape: [1], datatype: "INT64", data: [count] }];
    expect(await ask(`glutton-${origin}`, n(10))).toMatchObject({ status: 200, data: [0] });
    const failed = await ask(`glutton-${origin}`, n(12_500_000_000));
    expect([502, 503, 504]).toContain(failed.status);
    expect(failed.id).toMatch(/^prd_/);
    await serves();
    expect(gateway.child.exitCode).toBeNull();
  });
});

test("each of these failures is in the log with its inputs", async () => {
  expect(await gateway.end("SIGTERM")).toBe(0);
  const records = installation.records();
  const failed = records.filter(({ header }) => header.status.kind === "error");
  const endpoints = failed.map(({ header }) => header.context.endpoint).toSorted();
  const names = ["glutton", "liar", "roots"].flatMap((name) => [`${name}-imported`, `${name}-trained`]);
  expect(endpoints).toEqual(names);
  expect(failed.every(({ payload }) => payload?.inputs !== undefined)).toBe(true);
});
