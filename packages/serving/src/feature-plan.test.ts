import { asEpochMicros } from "@portolan/kernel";
import { expect, test } from "vitest";
import {
  assembleInputs,
  eventTimeOf,
  FeaturesMissing,
  findPlanProblems,
  type OnlineRow,
  type ReadOnline,
  requestSignatureOf,
} from "./feature-plan.ts";
import type { Tensor } from "./protocol/tensor.ts";
import type { FeaturePlan } from "./snapshot/schema.ts";

const digest = `sha256:${"0".repeat(64)}`;
const at = asEpochMicros(1_000_000_000);
const model = {
  inputs: [{ name: "features", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1, 1] }],
} as const;

function aPlan(change: Partial<FeaturePlan> = {}): FeaturePlan {
  return {
    service: "s",
    entityKeys: ["origin"],
    views: [{ name: "v@1", digest, entityKeys: ["origin"] }],
    columns: [
      { input: "features", index: 0, from: { kind: "request", name: "miles" }, missing: null },
      {
        input: "features",
        index: 1,
        from: { kind: "feature", view: "v@1", feature: "delay" },
        missing: "NaN",
      },
    ],
    maxAgeMs: 1000,
    ...change,
  };
}

const request = [
  { name: "origin", datatype: "BYTES", shape: [2], data: ["ATL", "XXX"] },
  { name: "miles", datatype: "FP32", shape: [2], data: Float32Array.of(100, 200) },
] as const;

function found(delay: number | null, asOf: number): OnlineRow {
  const status = delay === null ? "null" : "present";
  return { status: "found", values: { delay: { value: delay, status } }, at: asOf };
}

const nobody: OnlineRow = { status: "not_found", values: {} };

const gone: OnlineRow = { status: "unavailable", values: {} };

async function assemble(plan: FeaturePlan, row: OnlineRow) {
  const read: ReadOnline = async (questions) => questions.map(({ key }) => (key[0] === "ATL" ? row : nobody));
  const result = await assembleInputs(model, plan, request, read, at);
  return {
    values: [...(result.inputs[0]?.data ?? [])],
    sources: result.used.map((used) => used.source),
    statuses: result.used.flatMap(({ name, status }) => (name.startsWith("v@1.") ? [status] : [])),
  };
}

test("each row takes its own columns and its own entity's features; what is missing takes the stand-in", async () => {
  const fresh = found(7, at - 1000);
  expect(await assemble(aPlan(), fresh)).toEqual({
    values: [100, 7, 200, Number.NaN],
    sources: ["request", "online", "request", "default"],
    statuses: [undefined, "not_found"],
  });
});

test("a value older than the charter allows counts as missing, and the log says stale", async () => {
  const old = found(7, at - 1_000_001);
  expect((await assemble(aPlan(), old)).sources[1]).toBe("stale");
  const expired: OnlineRow = { status: "outside_max_age", values: {}, at: at - 1 };
  expect((await assemble(aPlan(), expired)).values[1]).toBeNaN();
});

test("without a stand-in a missing value refuses the request", async () => {
  const strict = aPlan({ columns: aPlan().columns.map((column) => ({ ...column, missing: null })) });
  await expect(assemble(strict, nobody)).rejects.toThrow(/not known/);
  await expect(assemble(strict, gone)).rejects.toThrow(/does not answer/);
});

test("by the charter's word on a view its missing and stale values are stood in for, refused, or the fallback's; null is a value", async () => {
  const under = (missing?: "refuse" | "fallback") =>
    aPlan({ views: aPlan().views.map((view) => ({ ...view, ...(missing ? { missing } : {}) })) });
  const rows = { not_found: nobody, outside_max_age: found(7, at - 1_000_001), unavailable: gone };
  for (const [status, row] of Object.entries(rows)) {
    expect((await assemble(under(), row)).statuses[0]).toBe(status);
    const refused = assemble(under("refuse"), row);
    await expect(refused).rejects.toMatchObject({ code: "serving.features_unavailable" });
    await expect(refused).rejects.not.toBeInstanceOf(FeaturesMissing);
    await expect(assemble(under("fallback"), row)).rejects.toBeInstanceOf(FeaturesMissing);
  }
  for (const missing of ["refuse", "fallback"] as const) {
    const plan = under(missing);
    const known = async (row: OnlineRow) =>
      assembleInputs(model, plan, request, async (questions) => questions.map(() => row), at);
    expect((await known(found(7, at))).used[1]).toMatchObject({ value: 7, source: "online" });
    expect((await known(found(null, at))).used[1]).toMatchObject({ source: "default", status: "null" });
  }
});

test("on-demand features are computed from the request and the view's values, and have the view's status", async () => {
  const plan = aPlan({
    views: [
      {
        name: "v@1",
        digest,
        entityKeys: ["origin"],
        onDemand: {
          request: [
            { name: "miles", type: "float" },
            { name: "left_at", type: "instant" },
          ],
          stored: ["delay"],
          features: [
            { name: "per_mile", expression: "delay / miles" },
            { name: "hour", expression: "hour(left_at)" },
          ],
        },
      },
    ],
    columns: ["per_mile", "hour"].map((feature, index) => ({
      input: "features",
      index,
      from: { kind: "feature", view: "v@1", feature },
      missing: "NaN",
    })),
  });
  expect(requestSignatureOf(model, plan).inputs.map(({ name, datatype }) => [name, datatype])).toEqual([
    ["origin", "BYTES"],
    ["miles", "FP64"],
    ["left_at", "INT64"],
  ]);
  const asked = (leftAt: bigint): Tensor[] => [
    { name: "origin", datatype: "BYTES", shape: [2], data: ["ATL", "XXX"] },
    { name: "miles", datatype: "FP64", shape: [2], data: Float64Array.of(100, 200) },
    { name: "left_at", datatype: "INT64", shape: [2], data: BigInt64Array.of(leftAt, 0n) },
  ];
  const read: ReadOnline = async (questions) =>
    questions.map(({ key }) => (key[0] === "ATL" ? found(7, at) : nobody));
  const { inputs, used } = await assembleInputs(model, plan, asked(3_600_000_000n), read, at);
  expect([...(inputs[0]?.data ?? [])]).toEqual([Math.fround(0.07), 1, Number.NaN, Number.NaN]);
  expect(used[0]).toEqual({ name: "v@1.per_mile", value: 0.07, at, source: "online" });
  expect(used[3]).toMatchObject({ name: "v@1.hour", source: "default", status: "not_found" });
  await expect(assembleInputs(model, plan, asked(2n ** 60n), read, at)).rejects.toThrow(/within 2\^53/);
  expect(findPlanProblems(model, plan)).toEqual([]);
  const clash = { ...plan, entityKeys: ["origin", "miles"] };
  expect(findPlanProblems(model, clash).join()).toContain('the request field "miles" of "v@1" is float');
});

test("T is the arrival, unless the deployment lets the caller state a past instant (F20)", () => {
  const replay = aPlan({ eventTime: "request" });
  expect(eventTimeOf(aPlan(), undefined, at)).toEqual({ at, isStated: false });
  expect(eventTimeOf(replay, undefined, at)).toEqual({ at, isStated: false });
  expect(eventTimeOf(replay, "1970-01-01T00:10:00Z", at)).toEqual({ at: 600_000_000, isStated: true });
  expect(() => eventTimeOf(aPlan(), "1970-01-01T00:10:00Z", at)).toThrow(/takes no event_time/);
  expect(() => eventTimeOf(replay, 7, at)).toThrow(/not an instant/);
});

test("a stated T ahead of the gateway's clock by seconds is the arrival, further ahead it is refused", () => {
  const replay = aPlan({ eventTime: "request" });
  expect(eventTimeOf(replay, "1970-01-01T00:16:45Z", at)).toEqual({ at, isStated: true });
  expect(() => eventTimeOf(replay, "1970-01-01T00:16:46Z", at)).toThrow(/not an instant before now/);
});

test("a text goes into an input of texts as it is, and into no other (F74)", async () => {
  const texts = {
    inputs: [{ name: "t", datatype: "BYTES", shape: [-1, 1] }],
    outputs: [{ name: "p", datatype: "FP32", shape: [-1, 1] }],
  } as const;
  const from = { kind: "feature", view: "v@1", feature: "carrier" } as const;
  const views = [{ name: "v@1", digest, entityKeys: ["origin"], texts: ["carrier"] }];
  const plan = aPlan({ views, columns: [{ input: "t", index: 0, from, missing: "unknown" }] });
  expect(findPlanProblems(texts, plan)).toEqual([]);
  const row = (carrier: string | null): OnlineRow => ({
    status: "found",
    at,
    values: { carrier: { value: carrier, status: carrier === null ? "null" : "present" } },
  });
  for (const carrier of ["", "NaN", "e\u0301"]) {
    const read: ReadOnline = async (questions) =>
      questions.map(({ key }) => (key[0] === "ATL" ? row(carrier) : row(null)));
    const { inputs, used } = await assembleInputs(texts, plan, request, read, at);
    expect(inputs[0]?.data).toEqual([carrier, "unknown"]);
    expect(used.map(({ value, source, status }) => [value, source, status])).toEqual([
      [carrier, "online", undefined],
      ["unknown", "default", "null"],
    ]);
  }
  const [first, second] = aPlan().columns;
  const numbers = aPlan({
    views,
    columns: [first, second].flatMap((one) => (one ? [{ ...one, from }] : [])),
  });
  expect(findPlanProblems(model, numbers)[0]).toBe(
    'the feature "v@1.carrier" is a text, and "features" takes FP32',
  );
});

test("a column of a request is of the kind that the field, the key or the other column of its name is", () => {
  const onDemand = (type: "float" | "int" | "text") =>
    aPlan({
      views: [
        {
          name: "v@1",
          digest,
          entityKeys: ["origin"],
          onDemand: { request: [{ name: "miles", type }], stored: [], features: [] },
        },
      ],
    });
  expect(findPlanProblems(model, onDemand("float"))).toEqual([]);
  for (const type of ["text", "int"] as const)
    expect(findPlanProblems(model, onDemand(type))).toEqual([
      `the column "miles" of "features" is FP32, and ${type} elsewhere`,
    ]);
  const [first, second] = aPlan().columns;
  const from = { kind: "request", name: "origin" } as const;
  const keyed = aPlan({ columns: [first, second].flatMap((one) => (one ? [{ ...one, from }] : [])) });
  expect(findPlanProblems(model, keyed)[0]).toBe(
    'the column "origin" of "features" is FP32, and text elsewhere',
  );
  const texts = {
    inputs: [...model.inputs, { name: "t", datatype: "BYTES", shape: [-1, 1] }],
    outputs: [],
  } as const;
  const miles = { input: "t", index: 0, from: { kind: "request", name: "miles" }, missing: null } as const;
  expect(findPlanProblems(texts, aPlan({ columns: [...aPlan().columns, miles] }))).toEqual([
    'the column "miles" of "t" is BYTES, and FP32 elsewhere',
  ]);
});
