import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRange } from "./byte-range.ts";

describe("a Range header", () => {
  test.each([
    ["bytes=0-499", 10_000, { first: 0, last: 499 }],
    ["bytes=500-999", 10_000, { first: 500, last: 999 }],
    ["bytes=-500", 10_000, { first: 9_500, last: 9_999 }],
    ["bytes=9500-", 10_000, { first: 9_500, last: 9_999 }],
    ["bytes=0-0", 10_000, { first: 0, last: 0 }],
    ["bytes=-1", 10_000, { first: 9_999, last: 9_999 }],
  ] as const)("%s is the part that RFC 9110, section 14.1.2, says", (header, size, part) => {
    expect(parseRange(header, size)).toEqual(part);
  });

  test("that names bytes which are not there asks for nothing", () => {
    for (const [header, size] of [
      ["bytes=10-", 10],
      ["bytes=-0", 10],
      ["bytes=-5", 0],
      ["bytes=0-", 0],
    ] as const)
      expect(parseRange(header, size)).toBe("none");
  });

  test("that is no single range is passed over", () => {
    for (const header of [undefined, "", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "items=0-1"])
      expect(parseRange(header, 10)).toBe("whole");
  });

  test("never leads outside the file", () => {
    fc.assert(
      fc.property(fc.nat(), fc.option(fc.nat()), fc.option(fc.nat()), (size, from, to) => {
        const range = parseRange(`bytes=${from ?? ""}-${to ?? ""}`, size);
        if (typeof range === "string") return;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeGreaterThanOrEqual(range.first);
        expect(range.last).toBeLessThan(size);
      }),
    );
  });
});
