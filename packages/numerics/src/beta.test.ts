import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { logBeta, logBetaUpperTail } from "./index.ts";

interface BetaCase {
  readonly kind: "logBeta" | "tail";
  readonly a: number;
  readonly b: number;
  readonly x?: number;
  readonly answer: number;
}

/** Made by scipy: the script is named in the file. */
const golden = JSON.parse(readFileSync(new URL("./beta.golden.json", import.meta.url), "utf8")) as {
  readonly cases: readonly BetaCase[];
};

describe("the beta distribution", () => {
  test("its function and its upper tail equal scipy's", () => {
    const wrong = golden.cases.flatMap((one) => {
      const { kind, a, b, x = 0, answer } = one;
      const [ours, theirs] =
        kind === "logBeta" ? [logBeta(a, b), answer] : [logBetaUpperTail(x, a, b), Math.log(answer)];
      const allowed = 1e-11 * Math.max(1, Math.abs(theirs));
      return Math.abs(ours - theirs) <= allowed ? [] : [`${JSON.stringify(one)}: ${ours}, not ${theirs}`];
    });
    expect(golden.cases.length).toBeGreaterThan(500);
    expect(wrong).toEqual([]);
  });

  test("tails that no double holds have their logarithm", () => {
    // (1 − x)ᵇ where a is 1.
    expect(logBetaUpperTail(0.9, 1, 2000)).toBeCloseTo(2000 * Math.log(0.1), 6);
    expect(logBetaUpperTail(0.5, 1, 1e6) / (1e6 * Math.log(0.5))).toBeCloseTo(1, 9);
  });

  test("ends and wrong parameters", () => {
    expect(logBetaUpperTail(0, 2, 3)).toBe(0);
    expect(logBetaUpperTail(1, 2, 3)).toBe(Number.NEGATIVE_INFINITY);
    for (const [a, b] of [
      [0, 1],
      [1, -1],
      [Number.NaN, 1],
      [1, Number.POSITIVE_INFINITY],
    ] as const)
      expect(() => logBeta(a, b)).toThrow(RangeError);
    expect(() => logBetaUpperTail(1.5, 1, 1)).toThrow(RangeError);
  });
});
