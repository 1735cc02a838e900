import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readSharing, writeSharing } from "./device-plugin.ts";
import { misfits, packTurns, type SharedCard, type Sharer } from "./pack-turns.ts";

const card: SharedCard = { memoryMib: 80 * 1024, mostBusyMilli: 900, mostSharers: 8 };
const sharer = fc.record({
  name: fc.constant("w"),
  busyMilli: fc.integer({ min: 1, max: 900 }),
  memoryMib: fc.integer({ min: 1, max: 80 * 1024 }),
});

/** The fewest cards by trying every way to divide the workloads among them. */
function byAllDivisions(sharers: readonly Sharer[]): number {
  const holds = (on: readonly Sharer[]): boolean =>
    on.length <= card.mostSharers &&
    on.reduce((sum, one) => sum + one.memoryMib, 0) <= card.memoryMib &&
    on.reduce((sum, one) => sum + one.busyMilli, 0) <= card.mostBusyMilli;
  let best = sharers.length;
  const divide = (at: number, groups: Sharer[][]): void => {
    const one = sharers[at];
    if (one === undefined) {
      if (groups.every(holds)) best = Math.min(best, groups.length);
      return;
    }
    for (const group of groups) {
      group.push(one);
      divide(at + 1, groups);
      group.pop();
    }
    groups.push([one]);
    divide(at + 1, groups);
    groups.pop();
  };
  divide(0, []);
  return best;
}

describe("workloads that take turns", () => {
  test("are on as few cards as any division has, each once, and none beyond what a card has", () => {
    fc.assert(
      fc.property(fc.array(sharer, { maxLength: 7 }), (sharers) => {
        const { cards, atLeast } = packTurns(sharers, card);
        expect([cards.length, atLeast]).toEqual([byAllDivisions(sharers), cards.length]);
        expect(cards.flat().toSorted(byAll)).toEqual(sharers.toSorted(byAll));
      }),
      { numRuns: 200 },
    );
  });

  test("many of them are packed too, with how few could be enough", () => {
    fc.assert(
      fc.property(fc.array(sharer, { minLength: 13, maxLength: 60 }), (sharers) => {
        const { cards, atLeast } = packTurns(sharers, card);
        expect(cards.flat()).toHaveLength(sharers.length);
        expect(atLeast).toBeLessThanOrEqual(cards.length);
        for (const on of cards) {
          expect(on.reduce((sum, one) => sum + one.memoryMib, 0)).toBeLessThanOrEqual(card.memoryMib);
          expect(on.reduce((sum, one) => sum + one.busyMilli, 0)).toBeLessThanOrEqual(card.mostBusyMilli);
        }
      }),
    );
  });

  test("largest first is not always the fewest: six workloads on two cards, where it takes three", () => {
    const busy = [450, 300, 300, 300, 225, 225];
    const sharers = busy.map((busyMilli, at) => ({ name: `w${at}`, busyMilli, memoryMib: 1 }));
    expect(packTurns(sharers, card).cards).toHaveLength(2);
  });

  test("one that asks for more than a card has is named", () => {
    const large = { name: "large", busyMilli: 100, memoryMib: 81 * 1024 };
    expect(misfits([large, { ...large, name: "ok", memoryMib: 1 }], card)).toEqual([large]);
  });
});

describe("a device plugin's configuration", () => {
  test("that is written is read again, without a warning but that memory has no bound", () => {
    expect(readSharing(writeSharing(4), "sharing.yaml")).toEqual([
      {
        name: "nvidia.com/gpu",
        how: "timeSlicing",
        replicas: 4,
        asked: "nvidia.com/gpu.shared",
        warnings: ["memory is shared without a bound: one that takes too much ends the others"],
      },
    ]);
  });

  test("says what goes wrong with it, and which resource pods ask for", () => {
    const text = `version: v1
flags: {migStrategy: mixed}
sharing:
  mps:
    resources:
      - {name: nvidia.com/mig-1g.10gb, rename: nvidia.com/small, replicas: 2}
      - {name: nvidia.com/gpu, replicas: 10}
`;
    const [small, whole] = readSharing(text, "sharing.yaml");
    expect([small?.asked, small?.warnings.length, whole?.asked, whole?.warnings.length]).toEqual([
      "nvidia.com/small",
      1,
      "nvidia.com/gpu",
      2,
    ]);
  });

  test.each([
    ["version: v2\nsharing: {timeSlicing: {resources: []}}", 1],
    ["version: v1\nsharing:\n  timeSlicing:\n    resources: [{name: nvidia.com/gpu, replicas: 1}]", 4],
    ["version: v1\nsharing:\n  timeSlicing:\n    resources: [{name: amd.com/gpu, replicas: 2}]", 4],
    [
      "version: v1\nsharing:\n  timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 2}]}\n  mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}",
      4,
    ],
    [
      "version: v1\nsharing:\n  timeSlicing:\n    resources:\n      - {name: nvidia.com/gpu, replicas: 2}\n      - {name: nvidia.com/gpu, replicas: 3}",
      6,
    ],
    ["version: v1\nsharing: {}", 2],
    ["[", 1],
  ])("%j is refused with its line", (text, line) => {
    let thrown: unknown;
    try {
      readSharing(text, "sharing.yaml");
    } catch (error) {
      thrown = error;
    }
    if (!isPortolanError(thrown)) throw new Error("it was read");
    expect([thrown.code, thrown.violations?.[0]?.at?.line]).toEqual(["capacity.sharing_not_valid", line]);
  });
});

function byAll(a: Sharer, b: Sharer): number {
  return a.busyMilli - b.busyMilli || a.memoryMib - b.memoryMib;
}
