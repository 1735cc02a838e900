import { expect, test } from "vitest";
import { PassLoop } from "./pass-loop.ts";

test("a paused loop ends the pass under way, begins none, and makes up for it when it goes on", async () => {
  let passes = 0;
  let inside = 0;
  const loop = new PassLoop({
    pass: async () => {
      inside += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside -= 1;
      passes += 1;
    },
    isFatal: () => true,
    pollMs: 1,
    lingerMs: 0,
  });
  await loop.settled();
  const goOn = await loop.pause();
  expect(inside).toBe(0);
  const before = passes;
  let settled = false;
  const later = loop.settled().then(() => {
    settled = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect({ passes, settled }).toEqual({ passes: before, settled: false });
  goOn();
  await later;
  expect(passes).toBeGreaterThan(before);
  await loop.stop();
});

test("a second pause waits for the first to end, so that neither loses its rest", async () => {
  const loop = new PassLoop({ pass: () => Promise.resolve(), isFatal: () => true, pollMs: 1, lingerMs: 0 });
  const first = await loop.pause();
  let second: (() => void) | undefined;
  const waiting = loop.pause().then((goOn) => {
    second = goOn;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(second).toBeUndefined();
  first();
  await waiting;
  second?.();
  await loop.stop();
});
