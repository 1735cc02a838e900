import { describe, expect, test } from "vitest";
import { compareOutputs } from "./compare-outputs.ts";

const answer = (...data: unknown[]) => ({ id: crypto.randomUUID(), outputs: [{ name: "y", data }] });

describe("the comparison of a replay", () => {
  test("equal answers are the same, whatever their ids", () => {
    expect(compareOutputs(answer(0.25, "late", true), answer(0.25, "late", true), 0)).toEqual({
      kind: "same",
      largestDifference: 0,
    });
  });

  test("numbers may differ by the tolerance, absolutely near zero and relatively beyond one", () => {
    expect(compareOutputs(answer(0.5), answer(0.5000009), 1e-6).kind).toBe("same");
    expect(compareOutputs(answer(1e9), answer(1e9 + 500), 1e-6).kind).toBe("same");
    expect(compareOutputs(answer(0.5), answer(0.50001), 1e-6)).toMatchObject({
      kind: "differs",
      where: "y[0]: 0.5, now 0.50001",
    });
  });

  test("another label, a missing value, a NaN and another name differ", () => {
    for (const other of [
      answer("early"),
      answer(),
      answer("late", 1),
      { outputs: [{ name: "z", data: ["late"] }] },
    ])
      expect(compareOutputs(answer("late"), other, 1).kind).toBe("differs");
    expect(compareOutputs(answer(1), answer(Number.NaN), 1).kind).toBe("differs");
  });

  test("nested data are compared flat", () => {
    const nested = {
      outputs: [
        {
          name: "y",
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    };
    expect(compareOutputs(nested, answer(1, 2, 3, 4), 0).kind).toBe("same");
  });

  test("what is no answer in JSON is not compared", () => {
    for (const other of [undefined, null, "text", {}, { outputs: "no" }, { outputs: [{ name: "y" }] }])
      expect(compareOutputs(answer(1), other, 0).kind).toBe("incomparable");
  });
});
