import { seededRandom } from "@portolan/numerics";
import { expect, test } from "vitest";
import { judgeSeriesOverTime } from "../timeline/timeline-series.ts";
import { MachineMinutes } from "./machine-minutes.ts";
import { machineSeries } from "./machine-series.ts";

const minute = 60_000_000;

/** Two hours of seconds, whose processors waver around a level as machines do: each second is close to the one before. */
function watched(
  level: (minute: number) => number,
  seed: number,
  thing: "processors" | "disks" | "cards" = "processors",
) {
  const random = seededRandom(seed);
  const minutes = new MachineMinutes();
  let around = 0;
  for (let second = 0; second < 7200; second++) {
    around = 0.9 * around + 6 * (random() - 0.5);
    const value = Math.min(100, Math.max(0, level(Math.floor(second / 60)) + around));
    minutes.add(second * 1e6, { [thing]: value, memory: 55, network: 2e5 });
  }
  const taken = minutes.take(7200 * 1e6);
  return machineSeries(
    taken.map(({ what, minute: start, counts }) => ({ machine: "host-1", what, start, counts: [...counts] })),
    minute,
  );
}

test("minutes that are over are taken once, the one that runs is kept", () => {
  const minutes = new MachineMinutes();
  minutes.add(minute - 1, { processors: 20, memory: 91, network: 5e9 });
  minutes.add(minute, { processors: Number.NaN });
  minutes.add(minute + 1, { processors: 100 });
  expect(minutes.take(minute + 2)).toEqual([
    { what: "processors", minute: 0, counts: [1, 0, 0, 0, 0, 0, 0] },
    { what: "memory", minute: 0, counts: [0, 0, 0, 0, 0, 1, 0, 0] },
    { what: "network", minute: 0, counts: [0, 0, 0, 0, 0, 0, 1] },
  ]);
  expect(minutes.take(minute + 2)).toEqual([]);
  expect(minutes.take(2 * minute)).toMatchObject([{ minute, counts: [0, 0, 0, 0, 0, 1, 0] }]);
});

test("a machine that becomes busy has moved, at the minute; one that wavers has not", () => {
  const moves = watched((at) => (at < 70 ? 50 : 92), 1).map((one) => judgeSeriesOverTime(one).move);
  expect(moves).toEqual([
    expect.objectContaining({
      layer: "infrastructure",
      what: "processors of host-1",
      at: 70 * minute,
      before: 60,
      after: 100,
    }),
    ...Array.from({ length: 5 }, () => undefined),
  ]);
  for (const seed of [2, 3, 4, 5, 6])
    expect(watched(() => 50, seed).flatMap((one) => judgeSeriesOverTime(one).move ?? [])).toEqual([]);
});

test.each([
  ["disks", "busiest disk of host-1"],
  ["cards", "busiest graphics card of host-1"],
] as const)("%s that become busy have moved, at the minute, and others have not", (thing, what) => {
  const moves = watched((at) => (at < 70 ? 8 : 97), 7, thing).flatMap(
    (one) => judgeSeriesOverTime(one).move ?? [],
  );
  expect(moves).toEqual([
    expect.objectContaining({ layer: "infrastructure", what, at: 70 * minute, before: 20, after: 100 }),
  ]);
});
