import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasWord } from "./word-pattern.ts";

describe("a subject's name in a text", () => {
  test("is found as a word of its own, and not as part of another one", () => {
    for (const text of ["customer-17", "a customer-17.", '{"id":"customer-17"}', "customer-17,customer-170"])
      expect([text, hasWord(text, "customer-17")]).toEqual([text, true]);
    for (const text of ["customer-170", "xcustomer-17", "écustomer-17", "customer_17", ""])
      expect([text, hasWord(text, "customer-17")]).toEqual([text, false]);
  });

  test("is taken as it is, whatever its characters mean in a pattern", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }), (name) => {
        expect(hasWord(`; ${name} ;`, name)).toBe(true);
      }),
    );
  });

  test("over the edge of two pieces counts once the character beyond it is seen", () => {
    expect(hasWord("of customer-17", "customer-17", { end: true })).toBe(false);
    expect(hasWord("customer-17 of", "customer-17", { start: true })).toBe(false);
    expect(hasWord(" customer-17 ", "customer-17", { start: true, end: true })).toBe(true);
  });
});
