import type { Tensor } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { nonFiniteInput, nonFiniteOutput, withoutInfinities } from "./non-finite.ts";

const floats = (...data: number[]): Tensor => ({
  name: "x",
  datatype: "FP32",
  shape: [data.length],
  data: Float32Array.from(data),
});
const halves = (datatype: "FP16" | "BF16", ...bits: number[]): Tensor => ({
  name: "h",
  datatype,
  shape: [bits.length],
  data: Uint16Array.from(bits),
});

test("NaN and infinities are found in every kind of floating-point tensor, and nowhere else", () => {
  expect(
    nonFiniteInput([floats(1, -2), halves("FP16", 0x3c00, 0x7bff), halves("BF16", 0x7f7f)]),
  ).toBeUndefined();
  expect(nonFiniteInput([floats(1, Number.NaN)])).toMatchObject({
    code: "serving.bad_request",
    detail: 'The input "x" holds NaN or infinity at element 1.',
  });
  for (const tensor of [halves("FP16", 0xfc00), halves("FP16", 0x7e01), halves("BF16", 0x7f80)])
    expect(nonFiniteOutput([tensor])?.code).toBe("serving.model_failed");
  const whole: Tensor = { name: "i", datatype: "UINT16", shape: [1], data: Uint16Array.of(0x7c00) };
  expect(nonFiniteOutput([whole])).toBeUndefined();
});

test("a missing value is NaN; what was sent is not changed, nor a NaN's own bits", () => {
  const sent = floats(1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
  expect([...(withoutInfinities([sent])[0]?.data ?? [])]).toEqual([1, Number.NaN, Number.NaN]);
  expect(sent.data[1]).toBe(Number.POSITIVE_INFINITY);
  const gaps = [floats(Number.NaN, 2)];
  expect(withoutInfinities(gaps)).toBe(gaps);
  expect(withoutInfinities([halves("FP16", 0xfc00, 0x3c00)])[0]?.data).toEqual(
    Uint16Array.of(0x7e00, 0x3c00),
  );
});
