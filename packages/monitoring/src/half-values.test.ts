import { expect, test } from "vitest";
import { DriftCounter, splitCounts } from "./drift-counter.ts";
import { numbersOf } from "./half-values.ts";
import { numericReference } from "./reference-profile.ts";

const everyHalf = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

/** By IEEE 754's own words: sign, exponent and fraction. */
function numberOf(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 2 ** exponentBits - 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

test.each([
  ["FP16", 5],
  ["BF16", 8],
] as const)("each of the 65,536 elements of %s is the number that its bits are", (datatype, exponentBits) => {
  const numbers = numbersOf({ datatype, data: everyHalf });
  expect(numbers).toHaveLength(65_536);
  for (let bits = 0; bits < 65_536; bits++)
    if (!Object.is(numbers[bits], numberOf(bits, exponentBits)))
      throw new Error(`${bits} is ${numberOf(bits, exponentBits)} and not ${numbers[bits]}`);
});

test("whole numbers of 16 bits are left as they are, and a view into a larger buffer is read at its place", () => {
  const data = Uint16Array.of(0, 0x3c00, 0xc000);
  expect(numbersOf({ datatype: "UINT16", data })).toBe(data);
  expect(Array.from(numbersOf({ datatype: "FP16", data: data.subarray(1) }))).toEqual([1, -2]);
});

test.each([
  ["FP16", [0x3c00, 0x4000, 0xc400, 0x7c00, 0xfc00, 0x7e00]],
  ["BF16", [0x3f80, 0x4000, 0xc080, 0x7f80, 0xff80, 0x7fc0]],
] as const)("%s elements fall into the cells of 1, 2, −4, ∞, −∞ and NaN", (datatype, bits) => {
  const column = numericReference({ tensor: "x", column: 0, name: "x" }, [1, 2, 3]);
  const profile = { inputs: [column], outputs: [{ ...column, tensor: "y" }] };
  const counter = new DriftCounter(profile);
  const [halves, floats] = [new Uint32Array(counter.cells), new Uint32Array(counter.cells)];
  const data = Uint16Array.from(bits);
  counter.count(halves, 6, [{ name: "x", datatype, data }], [{ name: "y", datatype, data }]);
  const same = Float32Array.of(1, 2, -4, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN);
  counter.count(floats, 6, [{ name: "x", data: same }], [{ name: "y", data: same }]);
  expect(halves).toEqual(floats);
  const [inputs] = splitCounts([column, column], [...halves]);
  expect(inputs?.counts).toEqual([1, 1, 1, 0, 0, 0, 1, 1, 1]);
});
