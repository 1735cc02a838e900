import { describe, expect, test } from "vitest";
import { readAnswer, readRow } from "./read-query.ts";

describe("queries out of tensors", () => {
  test("numbers stand side by side, 64-bit ones and halves too, and a text is one of eight columns", () => {
    const inputs = [
      { name: "a", datatype: "FP32" as const, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      { name: "b", datatype: "INT64" as const, shape: [2], data: BigInt64Array.of(5n, 6n) },
      { name: "c", datatype: "FP16" as const, shape: [2, 1], data: Uint16Array.of(0x3c00, 0xc500) },
      { name: "d", datatype: "BYTES" as const, shape: [2], data: ["x", "y"] },
    ];
    const row = readRow(inputs, 1);
    expect(row.slice(0, 4)).toEqual(Float32Array.of(3, 4, 6, -5));
    expect(row).toHaveLength(12);
    expect(row.slice(4).filter((value) => value === 1)).toHaveLength(1);
    expect(readRow(inputs, 1)).toEqual(row);
  });

  test("an answer's class and margin come from its vector, its probability or its label", () => {
    const vector = {
      name: "p",
      datatype: "FP32" as const,
      shape: [2, 3],
      data: Float32Array.of(0.5, 0.25, 0.25, 0, 0.25, 0.75),
    };
    const label = { name: "l", datatype: "INT64" as const, shape: [2], data: BigInt64Array.of(0n, 7n) };
    const probability = {
      name: "s",
      datatype: "FP64" as const,
      shape: [2, 1],
      data: Float64Array.of(0.25, 0.75),
    };
    expect(readAnswer([label, vector], 1)).toEqual({ label: 2, margin: 0.5 });
    expect(readAnswer([probability], 0)).toEqual({ label: 0, margin: 0.5 });
    expect(readAnswer([label], 1)).toEqual({ label: 7, margin: Number.NaN });
    expect(readAnswer([], 0)).toEqual({ label: 0, margin: Number.NaN });
  });
});
