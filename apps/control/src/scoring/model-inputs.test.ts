import { expect, test } from "vitest";
import { tensorsOf } from "./model-inputs.ts";

test("half-precision inputs are the bits of their numbers, and a null is NaN", () => {
  const spec = { name: "x", datatype: "FP16", shape: [-1, 1] } as const;
  const table = new Map([["a", [1, -2, null, 70_000]]]);
  const [tensor] = tensorsOf([{ spec, columns: ["a"] }], table, 0, 4);
  expect([...(tensor?.data ?? [])]).toEqual([0x3c00, 0xc000, 0x7e00, 0x7c00]);
});
