import { Secret } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { type RayVariables, readRaySettings } from "./ray-settings.ts";

const whole = {
  RAY_ADDRESS: "https://ray.example:8265/",
  RAY_CONTROL_URL: "https://portolan.example",
  RAY_PYTHON: "3.12",
  RAY_REGION: "eu-west-1",
  RAY_OWNER: "self",
} as const satisfies RayVariables;

describe("a cluster, as its operator describes it", () => {
  test("is whole, or there is none", () => {
    expect(readRaySettings({})).toBeUndefined();
    const token = new Secret("t");
    expect(readRaySettings({ ...whole, RAY_TOKEN: token }, "PEM")).toEqual({
      address: "https://ray.example:8265",
      token,
      ca: "PEM",
      controlUrl: "https://portolan.example",
      python: "3.12",
      place: { region: "eu-west-1", owner: "self" },
    });
  });

  test.each(["RAY_CONTROL_URL", "RAY_PYTHON", "RAY_REGION", "RAY_OWNER"] as const)(
    "without %s control does not start, and says so",
    (name) => {
      const { [name]: _, ...rest } = whole;
      expect(() => readRaySettings(rest)).toThrow(
        expect.objectContaining({ detail: `RAY_ADDRESS is set and ${name} is not` }),
      );
    },
  );

  test("a Python that no lock is for is refused by name", () => {
    expect(() => readRaySettings({ ...whole, RAY_PYTHON: "2.7" })).toThrow("training.backend_missing");
  });

  test.each(["RAY_ADDRESS", "RAY_CONTROL_URL"])("%s over plain http is for this machine alone", (name) => {
    expect(() => readRaySettings({ ...whole, [name]: "http://10.0.0.7:8265" })).toThrow(
      "kernel.plain_http_refused",
    );
    expect(readRaySettings({ ...whole, [name]: "http://127.0.0.1:8265" })).toBeDefined();
  });
});
