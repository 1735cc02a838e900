import fc from "fast-check";
import { expect, test } from "vitest";
import { isPacked, packEntity, unpackEntity } from "./packed-row.ts";

/** docs/spec/online-rows.md */

const value = fc.oneof(
  fc.constant(null),
  fc.double().map((one) => (Object.is(one, -0) ? 0 : one)),
  fc.maxSafeInteger(),
  // Amounts with decimals: the short ones are read digit by digit.
  fc.tuple(fc.integer(), fc.integer({ min: 0, max: 12 })).map(([whole, digits]) => whole / 10 ** digits + 0),
);
const text = fc.oneof(
  // Texts that look like numbers, and like what stands for none, stay texts.
  fc.constantFrom("", "7", "NaN", "Infinity", "null", '"\\', "\u0000".repeat(255), "\u{1f6eb}".repeat(63)),
  fc.string({ unit: "binary", maxLength: 63 }),
);
const values = fc.oneof(
  fc.array(value, { maxLength: 12 }),
  fc.array(fc.oneof(value, text), { maxLength: 12 }),
);
const time = fc.integer({ min: 0, max: 2 ** 52 });
const flag = fc.constantFrom(0 as const, 1 as const);

test("every double and every text comes back bit for bit, of one vector and of any number of records", () => {
  fc.assert(
    fc.property(time, values, fc.array(fc.tuple(time, time, time, flag, values)), (a, v, r) => {
      for (const entity of [{ a, v }, { r }]) {
        const bytes = packEntity(entity);
        expect(isPacked(bytes)).toBe(true);
        expect(unpackEntity(bytes)).toEqual(entity);
      }
    }),
  );
});

test("the bytes are those of the specification (R2 to R5)", () => {
  const u32 = (value: number) => `${value.toString(16).padStart(2, "0")}000000`;
  const ascii = (text: string) => Buffer.from(text).toString("hex");
  const [one, two, three] = ["000000000000f03f", "0000000000000040", "0000000000000840"];
  const seventh = "922449922449c23f";
  const vector = packEntity({ a: 1, v: [0.5, null, -12, 1 / 7] });
  const texts = ascii("0.5-120.14285714285714285");
  expect(vector.toString("hex")).toBe(
    ["c1010000", u32(1), one, u32(4), u32(25), u32(1), "03000313", texts, seventh].join(""),
  );
  const record = packEntity({ r: [[1, 2, 3, 1, [null]]] });
  expect(record.toString("hex")).toBe(
    ["c1010100", u32(1), one, u32(1), u32(0), u32(0), two, three, "0100000000000000", "00"].join(""),
  );
});

test("numbers are written as ECMAScript writes them, and doubles are those of more than 15 bytes alone (R4, R5)", () => {
  // Behind head, time, and the three lengths of a vector's part.
  const bodyOf = (values: number[]) => packEntity({ a: 1, v: values }).subarray(8 + 8 + 12);
  const of15 = 123456789012.25;
  const of16 = 1234567890123.25;
  const texts = ["NaN", "Infinity", "-Infinity"].map((one) => `"${one}"`);
  const body = bodyOf([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e21, of15, of16]);
  const ends = Buffer.alloc(8);
  ends.writeDoubleLE(of16);
  const written = [...texts, "0", "1e+21", "123456789012.25", "1234567890123.25"];
  const lengths = Buffer.from(written.map(({ length }) => length));
  expect(body).toEqual(Buffer.concat([lengths, Buffer.from(written.join("")), ends]));
});

test("equal values are equal bytes, and others are others (R6)", () => {
  fc.assert(
    fc.property(values, values, time, (one, other, at) => {
      const bytes = packEntity({ a: at, v: [...one] });
      expect(packEntity({ a: at, v: [...one] }).equals(bytes)).toBe(true);
      const same = one.length === other.length && one.every((value, index) => Object.is(value, other[index]));
      expect(packEntity({ a: at, v: other }).equals(bytes)).toBe(same);
    }),
  );
});

test("a row that has a text says lengths in two bytes, and of a text that it is one (R8)", () => {
  const vector = packEntity({ a: 1, v: ["\u00e9", null, 1 / 7, "7", Number.NaN, "NaN"] });
  const lengths = "0480" + "0000" + "1300" + "0380" + "0500" + "0580";
  const texts = Buffer.from('"\u00e9"0.14285714285714285"7""NaN""NaN"').toString("hex");
  expect(vector.toString("hex")).toBe(
    [
      "c1020000" + "01000000",
      "000000000000f03f" + "06000000" + "24000000" + "01000000",
      lengths,
      texts,
      "922449922449c23f",
    ].join(""),
  );
  // Nothing changes for whoever has no texts.
  expect(packEntity({ r: [[1, 2, 3, 0, [null, 1]]] })[1]).toBe(1);
});

test("a form that a newer version wrote is a fault, and not values (R6)", () => {
  const bytes = packEntity({ a: 1, v: [1] });
  bytes[1] = 3;
  expect(() => unpackEntity(bytes)).toThrow(/form 3, which a newer version wrote/);
});
