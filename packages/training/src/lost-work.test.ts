import { money } from "@portolan/kernel";
import { expect, test } from "vitest";
import { attemptView, isPreemptible, overdueSince, pricedWork, workOf } from "./lost-work.ts";

const second = 1_000_000;
const attempt = { startedAt: 100 * second, seenAt: 190 * second, checkpoints: 2, overdueTimes: 0 };

test("runs make room unless they are production's, or say otherwise", () => {
  expect(isPreemptible({ environment: "dev" })).toBe(true);
  expect(isPreemptible({ environment: "staging" })).toBe(true);
  expect(isPreemptible({ environment: "production" })).toBe(false);
  expect(isPreemptible({ environment: "production", preemptible: true })).toBe(true);
  expect(isPreemptible({ environment: "dev", preemptible: false })).toBe(false);
});

test("an attempt that was cut off loses what came after its last checkpoint, and keeps what came before", () => {
  const cut = { ...attempt, checkpointAt: 160 * second, endedAt: 190 * second, ending: "preempted" as const };
  expect(attemptView(cut)).toMatchObject({ keptSeconds: 60, lostSeconds: 30 });
  const { checkpointAt: _, ...none } = cut;
  expect(attemptView(none)).toMatchObject({ keptSeconds: 0, lostSeconds: 90 });
  expect(attemptView({ ...cut, ending: "finished" })).toMatchObject({ keptSeconds: 0, lostSeconds: 0 });
  expect(attemptView(attempt)).toMatchObject({ keptSeconds: 0, lostSeconds: 0 });
  expect(attemptView(attempt)).not.toHaveProperty("cpuSeconds");
  const used = { cpuMicros: 1_500_000, peakMemoryBytes: 4096 };
  expect(attemptView({ ...attempt, used })).toMatchObject({ cpuSeconds: 1.5, peakMemoryBytes: 4096 });
  // A checkpoint whose time the file system says is later than the end has lost nothing.
  expect(attemptView({ ...cut, checkpointAt: 191 * second }).lostSeconds).toBe(0);
});

test("a run's work is the sum of its attempts", () => {
  const cut = { ...attempt, checkpointAt: 160 * second, endedAt: 190 * second, ending: "preempted" as const };
  const killed = { ...cut, ending: "interrupted" as const };
  expect(workOf({ environment: "dev" }, [cut, killed, attempt])).toMatchObject({
    preemptible: true,
    preemptions: 1,
    keptSeconds: 120,
    lostSeconds: 60,
  });
});

test("kept and lost time is priced by the trainer's cores: 2 of them at 0.06 USD for 2 minutes are 0.004 USD, for 1 half of it", () => {
  const cut = { ...attempt, checkpointAt: 160 * second, endedAt: 190 * second, ending: "preempted" as const };
  const work = workOf({ environment: "dev" }, [cut, cut]);
  expect(pricedWork(work, money("0.06", "USD"), 2).cost).toEqual({
    coreHour: "0.06 USD",
    cores: 2,
    kept: "0.004 USD",
    lost: "0.002 USD",
  });
  expect(work).not.toHaveProperty("cost");
});

test("a checkpoint is overdue once the declared interval is over, counted from the last one or from the start", () => {
  expect(overdueSince(undefined, attempt, 900 * second)).toBeUndefined();
  expect(overdueSince(30, attempt, 130 * second)).toBeUndefined();
  expect(overdueSince(30, attempt, 130 * second + 1)).toBe(130 * second);
  expect(overdueSince(30, { ...attempt, checkpointAt: 120 * second }, 150 * second)).toBeUndefined();
});
