import { asEpochMicros, PortolanError } from "@portolan/kernel";
import type { Datatype, TensorSpec } from "@portolan/onnx-format";
import type { InputPlan } from "@portolan/scoring/policy";
import type { FeaturePlan } from "@portolan/serving/contract";
import { assembleInputs, readInferRequest, type Tensor, type TensorData } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { cellOf, sortRows, tensorsOfRows } from "./read-rows.ts";

const plan = (over: Partial<InputPlan>, standIns: readonly (number | string | null)[]): InputPlan => ({
  signature: { inputs: [], outputs: [] },
  inputs: [
    {
      spec: { name: "x", datatype: "FP32", shape: [-1, 2] },
      columns: standIns.map((standIn, at) => ({ column: at === 0 ? "a" : "b", standIn })),
    },
  ],
  nonFinite: "refuse",
  nonFiniteOutputs: "refuse",
  ...over,
});
const table = new Map<string, readonly unknown[]>([
  ["a", [1, null, Number.NaN, Number.POSITIVE_INFINITY]],
  ["b", [5, 6, 7, 8]],
]);
const sorted = (over: Partial<InputPlan>, standIns: readonly (number | string | null)[]) => {
  const rows = sortRows(plan(over, standIns), table, 4);
  return {
    refused: [...rows.refused].map(([row, why]) => `${row} ${why}`),
    values: [...(tensorsOfRows(plan(over, standIns), table, rows.accepted)[0]?.data ?? [])],
  };
};

test("gaps, NaN and infinities fare as at the endpoint: refused, missing, or stood in for", () => {
  expect(sorted({}, [null, null])).toEqual({
    refused: ["1 missing: a", "2 non_finite: a", "3 non_finite: a"],
    values: [1, 5],
  });
  expect(sorted({}, [9, null]), "a stand-in is for what is absent").toEqual({
    refused: ["2 non_finite: a", "3 non_finite: a"],
    values: [1, 5, 9, 6],
  });
  expect(sorted({ nonFinite: "missing" }, [9, null])).toEqual({
    refused: [],
    values: [1, 5, 9, 6, 9, 7, 9, 8],
  });
  expect(sorted({ nonFinite: "missing" }, [null, null]).values).toEqual([
    1,
    5,
    Number.NaN,
    6,
    Number.NaN,
    7,
    Number.NaN,
    8,
  ]);
  expect(sorted({}, ["NaN", null]).values).toEqual([1, 5, Number.NaN, 6]);
});

const policies = ["refuse", "missing", "fallback", "allow"] as const;
const asked: Readonly<Record<string, readonly string[]>> = {
  BOOL: ["true", "false", "1", '"true"', "null"],
  INT8: ["0", "-128", "127", "128", "-129", "1.5", "true", '"1"', "null"],
  INT16: ["-32768", "32768", "0.5"],
  INT32: ["2147483647", "2147483648", "-0.25"],
  INT64: ["9223372036854775807", "9223372036854775808", "9007199254740993", "1e17", "1.5"],
  UINT8: ["255", "256", "-1"],
  UINT16: ["65535", "65536"],
  UINT32: ["4294967295", "4294967296"],
  UINT64: ["18446744073709551615", "18446744073709551616", "-1"],
  FP32: ["0.1", "3.4e38", "3.5e38", "1e300", "-1e300", "7", "null"],
  FP64: ["0.1", "1e300", "null"],
};

/** As DuckDB gives a column: integers beyond 2^53 as bigint. */
const ofColumn = (json: string): unknown =>
  /^-?\d{16,}$/.test(json) ? BigInt(json) : (JSON.parse(json) as unknown);

test("the rows of a batch take and refuse what the endpoint's own reader does, with the same elements", () => {
  for (const [name, values] of Object.entries(asked)) {
    const datatype = name as Datatype;
    const spec: TensorSpec = { name: "x", datatype, shape: [-1, 1] };
    for (const json of values)
      for (const nonFinite of json === "null" ? (["refuse", "allow"] as const) : policies) {
        const one: InputPlan = {
          ...plan({ nonFinite }, []),
          inputs: [{ spec, columns: [{ column: "a", standIn: null }] }],
        };
        const rows = new Map([["a", [ofColumn(json)]]]);
        const { accepted } = sortRows(one, rows, 1);
        const batch = accepted.length === 0 ? undefined : tensorsOfRows(one, rows, accepted)[0]?.data;
        expect(batch, `${datatype} ${json} ${nonFinite}`).toEqual(live(spec, json));
      }
  }
});

function live(spec: TensorSpec, json: string): TensorData | undefined {
  const body = `{"inputs":[{"name":"x","shape":[1,1],"datatype":"${spec.datatype}","data":[${json}]}]}`;
  try {
    return readInferRequest(new TextEncoder().encode(body), undefined, { inputs: [spec], outputs: [] })
      .inputs[0]?.data;
  } catch (error) {
    if (error instanceof PortolanError && error.code === "serving.bad_request") return undefined;
    throw error;
  }
}

test("a plan's stand-ins and gaps are those of the endpoint, under every policy that lets NaN in", async () => {
  const spec: TensorSpec = { name: "x", datatype: "FP32", shape: [-1, 1] };
  const signature = { inputs: [spec], outputs: [] };
  for (const missing of [null, 9, "NaN"])
    for (const value of [1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const features: FeaturePlan = {
        service: "s",
        entityKeys: [],
        views: [],
        columns: [{ input: "x", index: 0, from: { kind: "request", name: "a" }, missing }],
        maxAgeMs: null,
      };
      const request: Tensor = { name: "a", datatype: "FP32", shape: [1], data: Float32Array.of(value) };
      const assembled = await assembleInputs(
        signature,
        features,
        [request],
        async () => [],
        asEpochMicros(1),
      );
      const columns = [{ column: "a", standIn: missing }];
      const one = { ...plan({ nonFinite: "allow" }, []), inputs: [{ spec, columns }] };
      const [tensor] = tensorsOfRows(one, new Map([["a", [value]]]), [0]);
      expect(tensor?.data, `${missing} for ${value}`).toEqual(assembled.inputs[0]?.data);
    }
  const column = { column: "a", standIn: null };
  const isMissing = { kind: "refused", why: "missing: a" };
  expect(cellOf("FP32", { ...column, isFeature: true }, null, "missing"), "features_unavailable").toEqual(
    isMissing,
  );
  expect(cellOf("FP32", column, null, "missing")).toEqual({ kind: "value", value: Number.NaN });
  expect(cellOf("FP32", column, Number.NEGATIVE_INFINITY, "missing")).toEqual({
    kind: "value",
    value: Number.NaN,
  });
  expect(cellOf("INT32", { ...column, standIn: 4 }, null, "refuse")).toEqual({ kind: "value", value: 4 });
  expect(cellOf("INT32", { ...column, standIn: "four" }, null, "refuse").kind).toBe("refused");
});

test("half-precision elements are their bits, and what is beyond their range is refused", () => {
  const column = { column: "a", standIn: 2 };
  expect(cellOf("FP16", column, 1, "refuse")).toEqual({ kind: "value", value: 0x3c00 });
  expect(cellOf("FP16", column, null, "refuse")).toEqual({ kind: "value", value: 0x4000 });
  expect(cellOf("FP16", column, 70_000, "allow")).toEqual({ kind: "refused", why: "out_of_range: a" });
  expect(cellOf("FP16", column, Number.NaN, "refuse")).toEqual({ kind: "refused", why: "non_finite: a" });
});
