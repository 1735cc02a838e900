import { describe, expect, test } from "vitest";
import { privacyOf, privateTrainer } from "./differential-privacy.ts";

const params = { noise_multiplier: 1.1, sampling_rate: 0.01, steps: 1000, delta: 1e-5 };

describe("the privacy of a run", () => {
  test("is computed from what it was asked to do, for the shipped program", () => {
    expect(privacyOf({ code: privateTrainer(), params })).toMatchObject({
      noiseMultiplier: 1.1,
      samplingRate: 0.01,
      steps: 1000,
      delta: 1e-5,
      epsilon: expect.closeTo(1.71, 1) as number,
      noise: "secret",
    });
  });

  test("says where the noise can be made again", () => {
    const privacy = privacyOf({ code: privateTrainer(), params: { ...params, reproducible: true } });
    expect(privacy?.noise).toBe("reproducible");
  });

  test.each([
    ["another program", { code: `sha256:${"0".repeat(64)}`, params }],
    [
      "one that starts from a model",
      { code: privateTrainer(), params, baseModel: { name: "m", version: 1 } },
    ],
    ["no noise", { code: privateTrainer(), params: { ...params, noise_multiplier: 0 } }],
    ["texts for numbers", { code: privateTrainer(), params: { ...params, steps: "1000" } }],
  ])("is unknown of %s, whatever it says of itself", (_, request) => {
    expect(privacyOf(request)).toBeUndefined();
  });
});
