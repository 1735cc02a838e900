import { expect, test } from "vitest";
import { copyShort } from "./copy-bytes.ts";

test("every length is copied whole, and nothing else is touched or needed", () => {
  const source = Uint8Array.from({ length: 40 }, (_, index) => index + 1);
  for (let length = 0; length <= 37; length++) {
    const target = new Uint8Array(5 + length).fill(255);
    copyShort(new DataView(source.buffer), 40 - length, length, new DataView(target.buffer), 5);
    expect([...target]).toEqual([...Array<number>(5).fill(255), ...source.subarray(40 - length)]);
  }
});
