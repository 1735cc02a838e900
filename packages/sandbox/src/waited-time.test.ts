import { expect, test } from "vitest";
import { WaitedTime } from "./waited-time.ts";

test("what ended threads waited still counts, once, and a thread that got an ended one's id counts beside it", () => {
  const waited = new WaitedTime();
  expect(
    waited.seen(
      new Map([
        ["1", 100],
        ["2", 40],
      ]),
    ),
  ).toBe(140);
  expect(waited.seen(new Map([["1", 150]])), "2 has ended").toBe(190);
  expect(waited.seen(new Map([["1", 150]])), "and is not counted again").toBe(190);
  expect(waited.seen(new Map([["1", 5]])), "1 is another thread").toBe(195);
  expect(waited.seen(new Map())).toBe(195);
});

test("a sum never falls, whatever comes and goes", () => {
  const waited = new WaitedTime();
  let last = 0;
  for (let look = 0; look < 1_000; look++) {
    const sum = waited.seen(new Map([[String(look % 7), (look * 31) % 97]]));
    expect(sum).toBeGreaterThanOrEqual(last);
    last = sum;
  }
});
