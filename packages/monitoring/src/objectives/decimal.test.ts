import fc from "fast-check";
import { expect, test } from "vitest";
import { restOfOne, timesDecimal } from "./decimal.ts";

test("a threshold is the decimal that people would write", () => {
  expect(restOfOne("0.999")).toBe("0.001");
  expect(timesDecimal("14.4", restOfOne("0.999"))).toBe("0.0144");
  expect(timesDecimal("6", restOfOne("0.9995"))).toBe("0.003");
  expect(timesDecimal("1", restOfOne("0.95"))).toBe("0.05");
  expect(restOfOne("1")).toBe("0");
});

test("products are exact whatever the digits", () => {
  const decimal = fc.tuple(fc.nat({ max: 10_000 }), fc.nat({ max: 10_000 }));
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const text = ([whole, part]: readonly [number, number]) => `${whole}.${String(part).padStart(5, "0")}`;
      const units = ([whole, part]: readonly [number, number]) => BigInt(whole) * 100_000n + BigInt(part);
      const [whole = "0", part = ""] = timesDecimal(text(a), text(b)).split(".");
      expect(BigInt(whole + part.padEnd(10, "0"))).toBe(units(a) * units(b));
    }),
  );
});

test.each(["", "-1", "1e3", "0x1", "1.", ".5", "NaN"])("%s is no decimal", (text) => {
  expect(() => timesDecimal(text, "1")).toThrow(RangeError);
});

test("a share above one leaves nothing", () => {
  expect(() => restOfOne("1.01")).toThrow(RangeError);
});
