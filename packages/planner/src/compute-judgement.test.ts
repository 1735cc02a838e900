import { readFileSync } from "node:fs";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { expect, test } from "vitest";
import { judgeCompute } from "./compute-judgement.ts";

const url = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
const flights = requireValid(parseCharter(readFileSync(url, "utf8"), "flight-delays")).document;
const withModel = (modelSize: string): CharterDocument => ({
  ...flights,
  workload: { ...flights.workload, modelSize },
});
const quick = { p95Ms: 0.1, cpuMs: 0.1, modelBytes: 1e5 };

test("a quick small model agrees with the plan", () => {
  expect(judgeCompute(flights, quick)).toEqual({ tier: "cpu", plannedTier: "cpu", disagreements: [] });
});

test("a plan for a GPU that a measurement does not ask for is named, with both reasons", () => {
  const verdict = judgeCompute(withModel("2GB"), quick);
  expect(verdict).toMatchObject({ tier: "cpu", plannedTier: "gpu" });
  expect(verdict?.disagreements).toEqual([
    "the plan takes a GPU (the model is larger than 1 GB), the measurement says a CPU (measured 0.1 ms on CPU: fast enough)",
  ]);
});

test("a model that is slower than the whole answer may be, or dearer than the plan's worst, is named", () => {
  const verdict = judgeCompute(flights, { p95Ms: 80, cpuMs: 40, modelBytes: 1e5 });
  expect(verdict?.tier).toBe("gpu");
  expect(verdict?.disagreements).toHaveLength(3);
  expect(verdict?.disagreements[1]).toBe(
    "the model alone takes 80 ms at p95, and the charter promises 50 ms for the whole answer",
  );
  expect(verdict?.disagreements[2]).toContain("40 ms of CPU");
});
