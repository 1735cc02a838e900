import { asEpochMicros } from "@portolan/kernel";
import type { Tensor } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { runVersion } from "./run-model.ts";

const x: Tensor = {
  name: "a",
  datatype: "FP32",
  shape: [2],
  data: Float32Array.of(Number.POSITIVE_INFINITY, 3),
};

/** A route whose model is not loaded: what it would have got is told all the same. */
function routeWith(features: object | null, nonFinite: string): ActiveRoute {
  const signature = { inputs: [{ name: "a", datatype: "FP32", shape: [-1] }], outputs: [] };
  return { route: { nonFinite, features, model: { signature } }, model: undefined } as unknown as ActiveRoute;
}

const plan = {
  service: "s",
  entityKeys: [],
  views: [],
  columns: [{ input: "a", index: null, from: { kind: "request", name: "a" }, missing: null }],
  maxAgeMs: null,
};

async function given(active: ActiveRoute): Promise<number[]> {
  const deps = { readOnline: () => async () => [] };
  const request = { parameters: {}, inputs: [x], outputs: [] };
  const { inputs } = await runVersion(deps, active, request, asEpochMicros(1), { timeoutMs: 100 });
  return [...((inputs[0]?.data ?? []) as Float32Array)];
}

test("where gaps count as missing an infinity reaches no model, with a feature plan and without", async () => {
  for (const features of [null, plan]) {
    expect(await given(routeWith(features, "missing"))).toEqual([Number.NaN, 3]);
    expect(await given(routeWith(features, "allow"))).toEqual([Number.POSITIVE_INFINITY, 3]);
  }
});
