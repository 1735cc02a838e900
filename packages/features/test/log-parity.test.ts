import fc from "fast-check";
import { expect, test } from "vitest";
import { pointInTimeOracle, pointInTimeStatements } from "../src/log/point-in-time-plan.ts";
import { aSchedule, foldedAnswers, naiveAnswers, plannedAnswers, together, ttl } from "./log-world.ts";

/** docs/spec/features.md F16, F18, F19, F23: batch = fold = definition, bit for bit. */

test("the batch plan, the fold with its restarts and the definition say the same of every schedule", async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(aSchedule, { minLength: 40, maxLength: 40 }), async (schedules) => {
      const schedule = together(schedules);
      const naive = naiveAnswers(schedule);
      const [plan, oracle] = await plannedAnswers(schedule, pointInTimeStatements, (input) => [
        pointInTimeOracle(input),
      ]);
      expect(plan).toEqual(naive);
      expect(oracle).toEqual(naive);
      expect(foldedAnswers(schedule)).toEqual(naive);
      for (const { status } of naive) seen.set(status, (seen.get(status) ?? 0) + 1);
    }),
    { numRuns: 3 },
  );
  // The schedules met everything that can be said.
  for (const status of ["found", "not_found", "outside_max_age"]) expect(seen.get(status)).toBeGreaterThan(3);
});

test("the fold says what the definition says of ten thousand schedules, and forgets nothing that is asked for", () => {
  fc.assert(
    fc.property(aSchedule, fc.integer({ min: -1, max: 40 }), (schedule, exactFrom) => {
      const naive = naiveAnswers(schedule);
      const folded = foldedAnswers(schedule, exactFrom);
      for (const [index, { at }] of schedule.probes.entries())
        if (at >= exactFrom) expect(folded[index]).toEqual(naive[index]);
    }),
    { numRuns: 10_000 },
  );
});

test("in whatever order and in however many batches records come, the same ones are kept", () => {
  fc.assert(
    fc.property(aSchedule, fc.infiniteStream(fc.nat()), (schedule, order) => {
      const shuffled = schedule.records
        .map((record) => ({ record, by: order.next().value ?? 0 }))
        .toSorted((one, other) => one.by - other.by)
        .map(({ record }) => record);
      // Some of them come a second time.
      const again = [...shuffled, ...shuffled.slice(0, 7)];
      expect(foldedAnswers({ ...schedule, records: again })).toEqual(foldedAnswers(schedule));
    }),
    { numRuns: 2000 },
  );
});

test("moving everything by the same time, and renaming entities, changes nothing", () => {
  fc.assert(
    fc.property(aSchedule, fc.integer({ min: 0, max: 2 ** 40 }), (schedule, by) => {
      const name = (account: string) => `${account}'`;
      const moved = {
        restarts: schedule.restarts,
        records: schedule.records.map((one) => ({
          ...one,
          account: name(one.account),
          event: one.event + by,
          available: one.available + by,
        })),
        probes: schedule.probes.map(({ account, at }) => ({
          account: account === null ? null : name(account),
          at: at + by,
        })),
      };
      expect(foldedAnswers(moved)).toEqual(naiveAnswers(schedule));
    }),
    { numRuns: 1000 },
  );
});

test("the ttl counts to its last microsecond", async () => {
  const record = {
    account: "a",
    event: 5,
    available: 5,
    sequence: 1,
    isTombstone: false,
    values: [7, 0.5, "AA"],
  };
  const schedule = {
    records: [record],
    probes: [4, 5, 5 + ttl, 6 + ttl].map((at) => ({ account: "a", at })),
    restarts: [],
  };
  const statuses = ["not_found", "found", "found", "outside_max_age"];
  const [plan] = await plannedAnswers(schedule);
  for (const answers of [naiveAnswers(schedule), foldedAnswers(schedule), plan])
    expect(answers?.map(({ status }) => status)).toEqual(statuses);
});
