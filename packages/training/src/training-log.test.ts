import { expect, test } from "vitest";
import { wholeCharacters } from "./training-log.ts";

test("a piece of a log ends between characters wherever it is cut, and the pieces are the whole", () => {
  const whole = new TextEncoder().encode("Größe: 3 € 😀 done\n");
  for (let cut = 5; cut <= whole.length; cut++) {
    const first = wholeCharacters(whole.subarray(0, cut));
    const text = new TextDecoder("utf-8", { fatal: true });
    expect(text.decode(first) + text.decode(whole.subarray(first.length))).toBe("Größe: 3 € 😀 done\n");
    expect(cut - first.length).toBeLessThan(4);
  }
});

test("bytes that are no text hold nothing up", () => {
  const bytes = Uint8Array.from([0x80, 0x80, 0x80, 0x80, 0x80]);
  expect(wholeCharacters(bytes)).toEqual(bytes);
  expect(wholeCharacters(Uint8Array.from([0xf0]))).toEqual(Uint8Array.from([0xf0]));
});
