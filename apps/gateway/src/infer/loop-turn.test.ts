import { expect, test } from "vitest";
import { LoopTurn } from "./loop-turn.ts";

test("what a turn of the loop comes to late has waited since the turn's first; the next turn starts anew", async () => {
  const turn = new LoopTurn();
  expect([turn.waitedMs(100), turn.waitedMs(130), turn.waitedMs(175)]).toEqual([0, 30, 75]);
  await new Promise(setImmediate);
  expect([turn.waitedMs(180), turn.waitedMs(181)]).toEqual([0, 1]);
});
