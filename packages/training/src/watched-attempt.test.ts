import { expect, test } from "vitest";
import type { KeptAttempt } from "./lost-work.ts";
import { lookedAt } from "./watched-attempt.ts";

const second = 1_000_000;
const begun: KeptAttempt = { startedAt: 100 * second, seenAt: 100 * second, checkpoints: 0, overdueTimes: 0 };
const look = (before: KeptAttempt, now: number, newest?: number, intervalSeconds?: number) =>
  lookedAt(before, {
    newest: newest === undefined ? undefined : newest * second,
    now: now * second,
    intervalSeconds,
  });

test("a checkpoint counts once, and what an earlier attempt left does not", () => {
  const old = look(begun, 102, 90);
  expect(old).toEqual({ ...begun, seenAt: 102 * second });
  const one = look(old, 110, 108);
  expect(one).toMatchObject({ checkpoints: 1, checkpointAt: 108 * second });
  expect(look(one, 112, 108).checkpoints).toBe(1);
  expect(look(one, 112, 111)).toMatchObject({ checkpoints: 2, checkpointAt: 111 * second });
});

test("one that is overdue is counted once, until it comes", () => {
  const late = look(begun, 131, undefined, 30);
  expect(late).toMatchObject({ overdueSince: 130 * second, overdueTimes: 1 });
  expect(look(late, 140, undefined, 30).overdueTimes).toBe(1);
  const came = look(late, 142, 141, 30);
  expect(came).toMatchObject({ checkpoints: 1, overdueTimes: 1 });
  expect(came.overdueSince).toBeUndefined();
  expect(look(came, 172, 141, 30)).toMatchObject({ overdueSince: 171 * second, overdueTimes: 2 });
  expect(look(begun, 900).overdueSince).toBeUndefined();
});
