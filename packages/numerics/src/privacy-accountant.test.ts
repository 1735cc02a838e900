import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type DpSgd, type PrivacyLoss, privacyLossOf } from "./index.ts";

/** Made by Google's dp-accounting: the script is named in the file. */
const golden = JSON.parse(
  readFileSync(new URL("./privacy-accountant.golden.json", import.meta.url), "utf8"),
) as { readonly cases: readonly (DpSgd & PrivacyLoss)[] };

test("the privacy loss equals dp-accounting's, at whole and fractional orders", () => {
  const wrong = golden.cases.filter((one) => {
    const said = privacyLossOf(one);
    return !(Math.abs(said.epsilon - one.epsilon) <= 1e-8 * Math.max(1, one.epsilon));
  });
  expect(wrong).toEqual([]);
  const used = golden.cases.map(({ order }) => Number.isInteger(order));
  expect([used.length > 200, used.includes(true), used.includes(false)]).toEqual([true, true, true]);
});

test("more noise, fewer steps, smaller samples and a larger δ never lose more", () => {
  const base = { noiseMultiplier: 1.1, samplingRate: 0.01, steps: 1000, delta: 1e-5 };
  const { epsilon } = privacyLossOf(base);
  for (const better of [{ noiseMultiplier: 1.2 }, { steps: 900 }, { samplingRate: 0.009 }, { delta: 1e-4 }])
    expect(privacyLossOf({ ...base, ...better }).epsilon).toBeLessThan(epsilon);
});

test.each([
  { noiseMultiplier: 0 },
  { noiseMultiplier: Number.NaN },
  { samplingRate: 0 },
  { samplingRate: 1.1 },
  { steps: 0.5 },
  { delta: 0 },
  { delta: 1 },
])("%o is no DP-SGD", (wrong) => {
  const base = { noiseMultiplier: 1, samplingRate: 0.1, steps: 10, delta: 1e-5 };
  expect(() => privacyLossOf({ ...base, ...wrong })).toThrow(RangeError);
});
