import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withinLimit } from "./time-limit.ts";

const limited = (timeLimitSeconds: number) => ({ resources: { timeLimitSeconds } });
const forever = (signal: AbortSignal): Promise<string> =>
  sleep(60_000, "late", { signal }).catch(() => Promise.reject(new Error("the chunk was stopped")));
const running = new AbortController().signal;

test("a chunk that is not done at the limit is stopped, and what earlier chunks took counts", async () => {
  const began = performance.now();
  await expect(withinLimit(limited(5), 4_950_000, running, forever)).rejects.toMatchObject({
    code: "scoring.time_limit_passed",
    detail: expect.stringContaining("5s"),
  });
  expect(performance.now() - began).toBeGreaterThanOrEqual(45);
});

test("once the time is used up no chunk begins", async () => {
  let begun = 0;
  const score = () => Promise.resolve(++begun);
  await expect(withinLimit(limited(5), 5_000_000, running, score)).rejects.toMatchObject({
    code: "scoring.time_limit_passed",
  });
  expect(begun).toBe(0);
  expect(await withinLimit(limited(5), 4_998_000, running, score)).toBe(1);
});

test("without a limit, and with one that no timer can have, chunks take what they take", async () => {
  expect(await withinLimit({}, 9e15, running, () => Promise.resolve("done"))).toBe("done");
  expect(await withinLimit(limited(31_536_000), 0, running, () => Promise.resolve("done"))).toBe("done");
});

test("what stops control, or fails by itself, is not taken for the limit", async () => {
  await expect(withinLimit(limited(60), 0, AbortSignal.abort(), forever)).rejects.toThrow(
    "the chunk was stopped",
  );
  const fails = () => Promise.reject(new Error("no such column"));
  await expect(withinLimit(limited(60), 0, running, fails)).rejects.toThrow("no such column");
});
