import { expect, test } from "vitest";
import { type EvaluateOptions, judgeOf, probesOf, requireFitting } from "./evaluate-options.ts";

const refused = (mend: string): Error =>
  expect.objectContaining({ code: "cli.bad_usage", mend: expect.stringContaining(mend) as string }) as Error;

test("what to ask the model besides is sent only where it is asked for, with the usual radius", () => {
  expect(probesOf({})).toEqual({});
  expect(probesOf({ mutable: ["wait"] })).toEqual({
    probes: { robustness: { mutable: ["wait"], radius: 0.25 } },
  });
  expect(probesOf({ mutable: ["wait"], radius: "0.5", membership: true, trainingData: true })).toEqual({
    probes: { robustness: { mutable: ["wait"], radius: 0.5 }, membership: true, trainingData: true },
  });
});

test.each([
  [{ mutable: ["wait"], radius: "far" }, "--radius 0.25"],
  [{ mutable: ["wait"], radius: "0" }, "--radius 0.25"],
  [{ radius: "0.5" }, "--mutable"],
] as const)("%j is refused with what to write instead", (options, mend) => {
  expect(() => probesOf(options)).toThrow(refused(mend));
});

test("a judge is a name and a version", () => {
  expect(judgeOf("examiner/2")).toEqual({ model: "examiner", version: 2 });
  for (const text of ["examiner", "examiner/", "a/b/2", "/2"])
    expect(() => judgeOf(text)).toThrow(refused("NAME/VERSION"));
});

test("what is asked of rows is refused for text, and a judge for rows", () => {
  const fits = (options: EvaluateOptions) => () => requireFitting(options);
  expect(fits({ trainingSet: "ts_1", mutable: ["a"], membership: true })).not.toThrow();
  expect(fits({ evaluationSet: "questions", judge: "examiner/2" })).not.toThrow();
  expect(fits({ trainingSet: "ts_1", judge: "examiner/2" })).toThrow(refused("--evaluation-set"));
  for (const option of [
    { slice: ["a"] },
    { mutable: ["a"] },
    { membership: true },
    { trainingData: true },
  ] as const)
    expect(fits({ evaluationSet: "questions", ...option })).toThrow(refused("--training-set"));
});
