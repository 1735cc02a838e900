import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("at most so many run at a time, in their order, and one that fails gives its turn on", async () => {
  const turns = new Turns(2);
  const started: number[] = [];
  let [running, most] = [0, 0];
  const work = (at: number) => async () => {
    started.push(at);
    most = Math.max(most, ++running);
    for (let tick = 0; tick < 5; tick++) await Promise.resolve();
    running--;
    if (at % 3 === 0) throw new Error(`${at} failed`);
    return at;
  };
  const settled = await Promise.allSettled(Array.from({ length: 9 }, (_, at) => turns.take(work(at))));
  expect(most).toBe(2);
  expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(settled.map(({ status }) => status === "fulfilled")).toEqual(started.map((at) => at % 3 !== 0));
  expect(await turns.take(async () => "again")).toBe("again");
});
