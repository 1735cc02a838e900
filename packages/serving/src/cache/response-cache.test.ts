import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../protocol/tensor.ts";
import { cacheKey, ResponseCache } from "./response-cache.ts";

const floats = (values: readonly number[], name = "x", shape = [values.length]): Tensor => ({
  name,
  datatype: "FP32",
  shape,
  data: Float32Array.from(values),
});
const texts = (values: readonly string[]): Tensor => ({
  name: "t",
  datatype: "BYTES",
  shape: [values.length],
  data: values,
});

describe("the key", () => {
  test("differs with every value, name, shape and datatype, and with where one text ends and the next begins", () => {
    const keys = [
      cacheKey([floats([1, 2])]),
      cacheKey([floats([1, 3])]),
      cacheKey([floats([1, 2], "y")]),
      cacheKey([floats([1, 2], "x", [1, 2])]),
      cacheKey([
        { ...floats([]), data: Int32Array.from([0x3f800000, 0x40000000]), datatype: "INT32", shape: [2] },
      ]),
      cacheKey([floats([1]), floats([2], "x2")]),
      cacheKey([texts(["ab", "c"])]),
      cacheKey([texts(["a", "bc"])]),
      // Neither zero is the other, nor is any NaN another: the model might tell them apart.
      cacheKey([floats([0])]),
      cacheKey([floats([-0])]),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("is the same for the same bytes, also when they are a view into others", () => {
    const whole = Float32Array.from([9, 1, 2, 9]);
    expect(cacheKey([{ ...floats([1, 2]), data: whole.subarray(1, 3) }])).toBe(cacheKey([floats([1, 2])]));
  });
});

describe("the cache", () => {
  test("gives back what was put in, and keeps no hold on the batch that it came from", () => {
    const batch = Float32Array.from([1, 2, 3, 4]);
    const cache = new ResponseCache(1e6);
    cache.put("a", [{ name: "y", datatype: "FP32", shape: [1, 2], data: batch.subarray(2, 4) }]);
    batch.fill(0);
    expect(cache.get("a")).toEqual([
      { name: "y", datatype: "FP32", shape: [1, 2], data: Float32Array.of(3, 4) },
    ]);
    expect(cache.get("b")).toBeUndefined();
  });

  test("never holds more than its bound, and forgets what was used longest ago", () => {
    const operations = fc.array(fc.tuple(fc.constantFrom("get", "put"), fc.integer({ min: 0, max: 30 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(operations, (steps) => {
        const cache = new ResponseCache(8 * 1024);
        let order: number[] = [];
        for (const [kind, key] of steps) {
          if (kind === "put") cache.put(String(key), [floats([key])]);
          else if (!cache.get(String(key))) continue;
          order = [...order.filter((one) => one !== key), key].slice(-15);
          expect(cache.bytes).toBeLessThanOrEqual(8 * 1024);
        }
        for (const key of order) expect(cache.get(String(key))?.[0]?.data[0]).toBe(key);
      }),
    );
  });

  test("an answer that would throw out a quarter of the others is not kept", () => {
    const cache = new ResponseCache(4096);
    cache.put("large", [floats(Array.from({ length: 1000 }, () => 1))]);
    expect(cache.get("large")).toBeUndefined();
  });
});
