import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { digestJson } from "./digest.ts";
import type { JsonValue } from "./json.ts";

test("the example of RFC 8785 section 3.2.4 comes out byte for byte", () => {
  const value = {
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("the order of members never changes the digest", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.integer()), (members) => {
      const reversed = Object.fromEntries(Object.entries(members).toReversed());
      expect(digestJson(reversed)).toBe(digestJson(members));
    }),
  );
});

test("the canonical form reads back as the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: true }), (value) => {
      expect(JSON.parse(canonicalJson(value as JsonValue))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("what has no canonical form is refused", () => {
  expect(() => canonicalJson(Number.NaN)).toThrow(/no JSON form/);
  expect(() => canonicalJson({ a: [Number.POSITIVE_INFINITY] })).toThrow(/no JSON form/);
  expect(() => canonicalJson("\ud800")).toThrow(/lone surrogate/);
  // @ts-expect-error a function has no JSON form, and the compiler says so already
  expect(() => canonicalJson({ at: () => 1 })).toThrow(/no JSON form/);
});

test("readonly interfaces have a digest without a cast, dates and maps do not compile", () => {
  interface Tree {
    readonly name: string;
    readonly size?: number;
    readonly branches: readonly Tree[];
  }
  const tree: Tree = { name: "root", branches: [{ name: "leaf", size: 1, branches: [] }] };
  expect(canonicalJson(tree)).toBe('{"branches":[{"branches":[],"name":"leaf","size":1}],"name":"root"}');
  const refused = (dated: { readonly at: Date }, mapped: { readonly of: ReadonlyMap<string, number> }) => {
    // @ts-expect-error a date's members are not its value
    digestJson(dated);
    // @ts-expect-error nor are a map's
    digestJson(mapped);
  };
  expect(refused).toBeTypeOf("function");
});
