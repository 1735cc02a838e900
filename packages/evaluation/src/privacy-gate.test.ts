import { expect, test } from "vitest";
import { judgePrivacy } from "./privacy-gate.ts";

const terms = { maximumEpsilon: 2, delta: 1e-5 };
const run = { noiseMultiplier: 1.1, samplingRate: 0.01, steps: 1000, noise: "secret" as const };

test("a training within the bound passes, at the charter's δ and not the run's (G13)", () => {
  expect(judgePrivacy(run, terms)).toMatchObject({ gate: "privacy", passed: true });
  expect(judgePrivacy(run, { ...terms, delta: 1e-9 }).passed).toBe(false);
});

test("a larger loss, a noise that can be made again, and a version of which nothing is known fail (G13)", () => {
  expect(judgePrivacy({ ...run, steps: 10_000 }, terms)).toMatchObject({ passed: false });
  expect(judgePrivacy({ ...run, noise: "reproducible" }, terms).observed).toContain("made again");
  expect(judgePrivacy(undefined, terms).observed).toContain("not trained here");
});
