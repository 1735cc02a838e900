import type { TrainingRunResult } from "@portolan/training/contract";
import { describe, expect, test } from "vitest";
import { compareRuns } from "./reproduction.ts";

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const recorded: TrainingRunResult = {
  model: digest("1"),
  modelSizeBytes: 10,
  metrics: { loss: 0.1, rounds: 4 },
  log: digest("2"),
  data: digest("3"),
  code: digest("4"),
  params: digest("5"),
  environmentLock: digest("6"),
  python: "3.12.4",
  seed: 7,
  networkBlocked: true,
  isolation: "namespaces",
};

describe("a run that is made again", () => {
  test("is the same when its bytes are, whatever its log says", () => {
    expect(compareRuns(recorded, { ...recorded, log: digest("9") })).toMatchObject({
      isSame: true,
      inputs: [],
      metrics: [],
      sameMetrics: 2,
      why: [],
    });
  });

  test("names what of its inputs differs as the reason", () => {
    const again = { ...recorded, model: digest("8"), python: "3.12.5", isolation: "account" as const };
    const found = compareRuns(recorded, again);
    expect(found.inputs).toEqual([
      { what: "python", recorded: "3.12.4", reproduced: "3.12.5" },
      { what: "isolation", recorded: "namespaces", reproduced: "account" },
    ]);
    expect(found.why).toEqual([
      "Another release of Python ran it.",
      expect.stringContaining("behind other walls") as string,
    ]);
  });

  test("with equal inputs and other bytes says what no record holds", () => {
    const { why } = compareRuns(recorded, { ...recorded, model: digest("8") });
    expect(why).toEqual([expect.stringContaining("without the seed") as string]);
  });

  test("compares metrics as the doubles that they are, also one that is reported once only", () => {
    const again = { ...recorded, metrics: { loss: 0.1 + Number.EPSILON, depth: 2 } };
    expect(compareRuns(recorded, again)).toMatchObject({
      isSame: true,
      sameMetrics: 0,
      metrics: [
        { what: "depth", recorded: "not reported", reproduced: "2" },
        { what: "loss", recorded: "0.1", reproduced: "0.10000000000000023" },
        { what: "rounds", recorded: "4", reproduced: "not reported" },
      ],
    });
  });
});
