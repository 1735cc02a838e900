import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Traffic } from "../snapshot/traffic-schema.ts";
import { chooseVariant, fraction } from "./choose-variant.ts";

const even: Traffic = {
  seed: "ep_1",
  rules: [],
  split: [{ variant: "canary", weight: 10 }],
  sticky: "principal",
};
const traits = (principalId: string, headers: Record<string, string> = {}, requestId = "r") => ({
  principalId,
  tenantId: principalId.startsWith("bu1") ? "bu_1" : "bu_2",
  requestId,
  header: (name: string) => headers[name],
});

describe("the split", () => {
  test("shares come out as the weights say, for keys that differ in a digit only", () => {
    const chosen = Array.from({ length: 20_000 }, (_, i) => chooseVariant(even, traits(`sa_${i}`)));
    const share = chosen.filter((variant) => variant === "canary").length / chosen.length;
    expect(share).toBeGreaterThan(0.093);
    expect(share).toBeLessThan(0.107);
  });

  test("a caller stays with its variant, and growing a weight takes nobody away from it", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        (key, a, b) => {
          const at = (weight: number) =>
            chooseVariant(
              { ...even, split: [{ variant: "canary", weight }] },
              traits(key, {}, String(weight)),
            );
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          if (at(low) === "canary") expect(at(high)).toBe("canary");
          expect(at(high)).toBe(at(high));
        },
      ),
    );
  });

  test("a tenant's callers meet one version, and a rule sends them where it says", () => {
    const sticky = { ...even, sticky: "tenant" as const, split: [{ variant: "b", weight: 50 }] };
    for (const unit of ["bu1", "bu2"]) {
      const met = Array.from({ length: 50 }, (_, i) => chooseVariant(sticky, traits(`${unit}-sa${i}`)));
      expect(new Set(met).size).toBe(1);
    }
    const rule = { by: "tenant" as const, values: ["bu_1"], variant: "b" };
    const ruled = { ...even, split: [], rules: [rule] };
    expect([chooseVariant(ruled, traits("bu1-a")), chooseVariant(ruled, traits("bu2-a"))]).toEqual([
      "b",
      "champion",
    ]);
  });

  test("per request and by a header the key is another one", () => {
    const request = { ...even, sticky: "request" as const, split: [{ variant: "b", weight: 50 }] };
    const variants = new Set(
      Array.from({ length: 50 }, (_, i) => chooseVariant(request, traits("same", {}, `req_${i}`))),
    );
    expect(variants).toEqual(new Set(["champion", "b"]));
    const patient = { ...request, sticky: { header: "x-patient" } };
    const of = (id: string, requestId: string) =>
      chooseVariant(patient, traits("same", { "x-patient": id }, requestId));
    for (let i = 0; i < 50; i++) expect(of(`p${i}`, "1")).toBe(of(`p${i}`, "2"));
  });

  test("0 and 100 percent are nobody and everybody", () => {
    for (const [weight, variant] of [
      [0, "champion"],
      [100, "canary"],
    ] as const)
      for (let i = 0; i < 200; i++)
        expect(chooseVariant({ ...even, split: [{ variant: "canary", weight }] }, traits(`k${i}`))).toBe(
          variant,
        );
  });
});

test("the first rule that fits decides, before any split", () => {
  const traffic: Traffic = {
    ...even,
    split: [{ variant: "canary", weight: 100 }],
    rules: [
      { by: { header: "x-ring" }, values: ["beta"], variant: "next" },
      { by: "principal", values: ["sa_qa"], variant: "champion" },
    ],
  };
  expect(chooseVariant(traffic, traits("sa_qa", { "x-ring": "beta" }))).toBe("next");
  expect(chooseVariant(traffic, traits("sa_qa"))).toBe("champion");
  expect(chooseVariant(traffic, traits("sa_1", { "x-ring": "other" }))).toBe("canary");
});

test("fractions are spread evenly over [0, 1)", () => {
  const cells = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) {
    const at = Math.floor(fraction(`key-${i}`) * 10);
    cells[at] = (cells[at] ?? 0) + 1;
  }
  // Chi-square with 9 degrees of freedom, p = 0.001: 27.9.
  expect(cells.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(27.9);
});
