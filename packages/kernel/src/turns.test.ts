import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("so many at a time, the others in their order, and one too many is refused at once", async () => {
  const turns = new Turns(2, { mostWaiting: 3, busy: () => new Error("busy") });
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const work = (number: number) =>
    turns.take(async () => {
      begun.push(number);
      await new Promise<void>((resolve) => ends.push(resolve));
      return number;
    });
  const taken = [0, 1, 2, 3, 4].map(work);
  await expect(work(5)).rejects.toThrow("busy");
  expect(begun).toEqual([0, 1]);
  ends[1]?.();
  await nextTurn();
  expect(begun).toEqual([0, 1, 2]);
  for (let at = 0; at < 5; at++) {
    for (const end of ends) end();
    await nextTurn();
  }
  expect(await Promise.all(taken)).toEqual([0, 1, 2, 3, 4]);
  // All turns came back, also that of work that fails.
  await expect(turns.take(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  const again = [6, 7].map(work);
  await nextTurn();
  expect(begun.slice(-2)).toEqual([6, 7]);
  for (const end of ends) end();
  await Promise.all(again);
});
