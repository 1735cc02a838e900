import { expect, test } from "vitest";
import type { PipelineDefinition } from "../definition.ts";
import { bindStages } from "./bind-stages.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const trainingSet = {
  name: "waits",
  contract: "visits",
  from: "2026-03-01T00:00:00Z",
  to: "${until}",
  sampleEvery: 1,
  views: [],
  request: [],
  label: { name: "long", expression: "wait > 10" },
};
const prepare = { kind: "prepare" as const, trainingSet };
const train = { kind: "train" as const, code: digest, locks: { "3.12": digest }, seed: "${seed}" };

function definition(change: Partial<PipelineDefinition> = {}): PipelineDefinition {
  const parameters = { until: "2026-03-02T00:00:00Z", seed: 7 };
  return {
    environment: "dev",
    useCaseId: "uc",
    model: "waits",
    parameters,
    stages: [prepare, train],
    ...change,
  };
}

/** Pointers and details of what is wrong. */
function findings(...of: Parameters<typeof bindStages>): string[] {
  const bound = bindStages(...of);
  return bound.kind === "bound" ? [] : bound.findings.map(({ pointer, detail }) => `${pointer} ${detail}`);
}

test("parameters come in with their types, a run's before the definition's, and spans of rows as microseconds", () => {
  expect(bindStages(definition(), { seed: 8 })).toMatchObject({
    kind: "bound",
    stages: [
      { trainingSet: { from: 1_772_323_200_000_000, to: 1_772_409_600_000_000 } },
      { kind: "train", seed: 8, locks: { "3.12": digest } },
    ],
  });
});

test("a value of the wrong type, a parameter that is not there and one within a text are all told at once", () => {
  const stages = [
    { ...prepare, trainingSet: { ...trainingSet, name: "waits-${seed}" } },
    { ...train, code: "${program}" },
  ];
  expect(findings(definition({ stages }))).toEqual([
    '/stages/0/trainingSet/name "waits-${seed}" has a parameter within a text',
    "/stages/1/code there is no parameter program",
  ]);
  expect(findings(definition(), { seed: "high" })).toEqual([
    expect.stringMatching(/^\/stages\/1\/seed .*integer/),
  ]);
  expect(findings(definition(), { rounds: 3 })).toEqual(["/parameters the pipeline has no parameter rounds"]);
});

test("stages stand in their order, each once, and go on from those that are there", () => {
  expect(findings(definition({ stages: [train, prepare] }))).toEqual([
    "/stages/0 the stage train has no stage prepare before it",
    "/stages/1 the stage prepare stands after train",
  ]);
  expect(
    findings(definition({ stages: [prepare, train, { kind: "register" }, { kind: "register" }] })),
  ).toEqual(["/stages/3 the stage register stands after register"]);
  expect(
    findings(definition({ stages: [prepare, train, { kind: "register" }, { kind: "evaluate" }] })),
  ).toEqual(["/stages/3 the stage evaluate has no rows to judge by"]);
});

test("a schedule that names no time is refused", () => {
  expect(findings(definition({ schedule: { cron: "0 0 31 2 *" } }))).toEqual([
    "/schedule/cron the schedule cannot be read: it names a day that never comes",
  ]);
});

test("members that a stage does not have are refused by name", () => {
  const misspelt = { ...prepare, retires: 3 };
  expect(findings(definition({ stages: [misspelt] }))).toEqual([expect.stringContaining("retires")]);
});
