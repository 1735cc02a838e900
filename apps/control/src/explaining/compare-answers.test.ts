import type { Tensor } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { compareAnswers } from "./compare-answers.ts";

const tensor = (datatype: Tensor["datatype"], data: Tensor["data"]): Tensor => ({
  name: "y",
  datatype,
  shape: [data.length],
  data,
});
const v2 = (data: string): string => `{"outputs":[{"name":"y","data":${data}}]}`;

test.each([
  ["a label", v2("[700001]"), tensor("INT64", BigInt64Array.of(700_001n)), "exactly"],
  ["another label, however near", v2("[700001]"), tensor("INT64", BigInt64Array.of(700_005n)), "no"],
  [
    "a label beyond 2^53",
    v2("[9007199254740993]"),
    tensor("INT64", BigInt64Array.of(2n ** 53n + 1n)),
    "exactly",
  ],
  ["its neighbour", v2("[9007199254740992]"), tensor("INT64", BigInt64Array.of(2n ** 53n + 1n)), "no"],
  ["a text", v2('["late"]'), tensor("BYTES", ["late"]), "exactly"],
  ["another text", v2('["late"]'), tensor("BYTES", ["early"]), "no"],
  ["a number of single precision", v2("[0.1]"), tensor("FP32", Float32Array.of(0.1)), "exactly"],
  ["the same as a double", v2("[0.1]"), tensor("FP64", Float64Array.of(Math.fround(0.1))), "to_rounding"],
  ["a small number beside another", v2("[0.000009]"), tensor("FP32", Float32Array.of(0.000_001)), "no"],
  ["a number to rounding", v2("[0.30000001]"), tensor("FP64", Float64Array.of(0.3)), "to_rounding"],
  ["a gap", v2("[null]"), tensor("FP32", Float32Array.of(Number.NaN)), "exactly"],
  ["a gap that is none now", v2("[null]"), tensor("FP32", Float32Array.of(0)), "no"],
  ["more values than before", v2("[1]"), tensor("FP32", Float32Array.of(1, 2)), "no"],
  ["an answer without outputs", "{}", tensor("FP32", Float32Array.of(1)), "no"],
  ["V1's predictions", '{"predictions":[0.5,0.25]}', tensor("FP32", Float32Array.of(0.5, 0.25)), "exactly"],
  [
    "V1's predictions by output",
    '{"predictions":[{"y":1},{"y":2}]}',
    tensor("FP32", Float32Array.of(1, 2)),
    "exactly",
  ],
] as const)("%s", (_, answer, now, verdict) => {
  const others = answer.includes('{"y"') ? [{ ...now, name: "z" }] : [];
  expect(compareAnswers([now, ...others], answer)).toBe(verdict);
});
