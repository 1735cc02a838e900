import { isPortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { assert, constantFrom, double, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { replicasFor } from "../replicas/replicas-for.ts";
import { type Availabilities, darkShare, type Spread, shortShare } from "./instances-up.ts";
import { assumedAvailabilities, evenly, type RedundancyQuestion, redundancyFor } from "./redundancy-for.ts";

const poor: Availabilities = { instance: 0.8, zone: 0.9, region: 0.95 };

/** Every state of every region, zone and instance, one after the other. */
function enumerated(spread: Spread, needed: number, of: Availabilities): number {
  const parts = [
    ...spread.map(() => of.region),
    ...spread.flatMap((zones) => zones.map(() => of.zone)),
    ...spread.flatMap((zones) => zones.flatMap((instances) => Array<number>(instances).fill(of.instance))),
  ];
  let short = 0;
  for (let state = 0; state < 2 ** parts.length; state++) {
    const isUp = (part: number): boolean => Math.floor(state / 2 ** part) % 2 === 1;
    const share = parts.reduce((all, up, part) => all * (isUp(part) ? up : 1 - up), 1);
    let zone = spread.length;
    let instance = zone + spread.flat().length;
    let up = 0;
    spread.forEach((zones, region) => {
      for (const instances of zones) {
        const stands = isUp(region) && isUp(zone++);
        for (let one = 0; one < instances; one++) if (isUp(instance++) && stands) up++;
      }
    });
    if (up < needed) short += share;
  }
  return short;
}

describe("instances that are up", () => {
  test.each<[Spread, number]>([
    [[[1]], 1],
    [[[3]], 2],
    [[[2, 1]], 2],
    [[[2, 2, 1]], 3],
    [[[1, 1], [1]], 1],
    [
      [
        [2, 1],
        [2, 1],
      ],
      4,
    ],
  ])("%j, %i needed: what is reckoned is what all states sum to", (spread, needed) => {
    for (const of of [poor, assumedAvailabilities, { instance: 1, zone: 0.9, region: 1 }])
      expect(shortShare(spread, needed, of)).toBeCloseTo(enumerated(spread, needed, of), 14);
  });

  test("many of them: what is reckoned is what comes out when days are drawn", () => {
    const random = seededRandom(11);
    const spread = evenly(60, 2, 3);
    const days = 40_000;
    let short = 0;
    for (let day = 0; day < days; day++) {
      let up = 0;
      for (const zones of spread) {
        const region = random() < poor.region;
        for (const instances of zones) {
          const zone = random() < poor.zone;
          for (let one = 0; one < instances; one++) if (random() < poor.instance && zone && region) up++;
        }
      }
      if (up < 35) short++;
    }
    const expected = shortShare(spread, 35, poor);
    // Four standard deviations of the share drawn.
    expect(Math.abs(short / days - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / days));
  });

  test("an even spread differs by one at most, and loses none", () => {
    assert(
      property(
        integer({ min: 0, max: 500 }),
        integer({ min: 1, max: 4 }),
        integer({ min: 1, max: 5 }),
        (n, regions, zones) => {
          const spread = evenly(n, regions, zones);
          const all = spread.flat();
          expect(all.reduce((sum, one) => sum + one, 0)).toBe(n);
          for (const counts of [...spread, spread.map((one) => one.reduce((sum, count) => sum + count, 0))])
            expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe("instances for an availability", () => {
  const question = (more: Partial<RedundancyQuestion>): RedundancyQuestion => ({
    ...assumedAvailabilities,
    needed: 1,
    target: 0.999,
    mostZones: 3,
    mostRegions: 2,
    canary: 1,
    spare: 1,
    ...more,
  });

  test("the articles' four cards for 99.9 %: two that answer in two zones, one for canaries, one spare", () => {
    const { layout, instances, shortMinutesPerMonth } = redundancyFor(question({}));
    expect(layout).toMatchObject({ regions: 1, zones: 2, serving: 2, spread: [[1, 1]] });
    expect(instances).toBe(4);
    // By hand: a region, or both of two (zone and instance).
    const both = (1 - 0.999 * 0.995) ** 2;
    expect(shortMinutesPerMonth).toBeCloseTo(43_200 * (1 - 0.9999 * (1 - both)), 9);
  });

  test("where more has to stay up than a region does, there are two of them", () => {
    expect(redundancyFor(question({ target: 0.9999 })).layout).toMatchObject({
      regions: 2,
      serving: 2,
      spread: [[1], [1]],
    });
  });

  test("zones fail whole: ten needed in two zones take more than in three", () => {
    const of = (mostZones: number) => redundancyFor(question({ needed: 10, mostZones, mostRegions: 1 }));
    const [two, three] = [of(2).layout, of(3).layout];
    expect(two.serving).toBeGreaterThanOrEqual(20);
    expect(three.serving).toBeGreaterThanOrEqual(15);
    expect(three.serving).toBeLessThan(two.serving);
  });

  test("is as few as the search through all counts finds, and each layout shown reaches the target", () => {
    const some = record({
      needed: integer({ min: 1, max: 12 }),
      target: constantFrom(0.9, 0.99, 0.999, 0.9999),
      instance: double({ min: 0.9, max: 1, noNaN: true }),
      zone: double({ min: 0.97, max: 1, noNaN: true }),
      // Not 0.99 itself: a region that is down for just what the target leaves is refused, whatever stands in it.
      region: double({ min: 0.9905, max: 1, noNaN: true }),
      mostZones: integer({ min: 1, max: 3 }),
      mostRegions: integer({ min: 1, max: 2 }),
    });
    assert(
      property(some, (drawn) => {
        const asked = question(drawn);
        const found: { regions: number; zones: number; serving: number }[] = [];
        for (let regions = 1; regions <= asked.mostRegions; regions++)
          for (let zones = 1; zones <= asked.mostZones; zones++)
            for (let serving = Math.max(asked.needed, regions * zones); serving <= 120; serving++)
              if (shortShare(evenly(serving, regions, zones), asked.needed, asked) <= 1 - asked.target) {
                found.push({ regions, zones, serving });
                break;
              }
        if (found.length === 0) {
          expect(() => redundancyFor(asked)).toThrow(/reached by no number/);
          return;
        }
        const { layout, layouts } = redundancyFor(asked);
        expect(layouts.map(({ regions, zones, serving }) => ({ regions, zones, serving }))).toEqual(found);
        expect(layout.regions).toBe(Math.min(...found.map(({ regions }) => regions)));
        for (const one of layouts) expect(one.availability).toBeGreaterThanOrEqual(asked.target - 1e-15);
      }),
      { numRuns: 40 },
    );
  });

  /** All ways to put so many into so many zones of one region. */
  function partitions(total: number, zones: number, most = total): number[][] {
    if (zones === 1) return total <= most ? [[total]] : [];
    const found: number[][] = [];
    for (let first = Math.min(total, most); first >= 0; first--)
      for (const rest of partitions(total - first, zones - 1, first)) found.push([first, ...rest]);
    return found;
  }

  test("no uneven spread over the same zones does with fewer, at published availabilities", () => {
    for (const needed of [1, 2, 3, 5, 8])
      for (const target of [0.99, 0.999, 0.9995]) {
        const { layout } = redundancyFor(question({ needed, target, mostRegions: 1 }));
        const better = partitions(layout.serving - 1, 3).filter(
          (zones) => shortShare([zones], needed, assumedAvailabilities) <= 1 - target,
        );
        expect(better, `${needed} at ${target}`).toEqual([]);
      }
  });

  test.each([
    [{ target: 0.99999, mostRegions: 1 }, "a region alone is down for 0.01 %"],
    [{ target: 0.9995, mostRegions: 1, mostZones: 1 }, "no zone of them is up for 0.11 %"],
    [{ target: 0.999999999, mostRegions: 2 }, "all of them are down for 0.000001 %"],
  ])("%j is refused with what is down, and for how long", (more, why) => {
    const refusal = (): unknown => redundancyFor(question(more));
    expect(refusal).toThrow(why);
    try {
      refusal();
    } catch (error) {
      expect(isPortolanError(error) && error.code).toBe("capacity.availability_impossible");
    }
  });

  test("hundreds are found in time, and the region's own share is never beaten", () => {
    const { layout } = redundancyFor(question({ needed: 2000, mostZones: 4, mostRegions: 1 }));
    expect(layout.serving).toBeGreaterThan(2600);
    expect(layout.availability).toBeLessThanOrEqual(1 - darkShare([layout.zones], assumedAvailabilities));
  });

  test("a latency objective's replicas are those that have to be up", () => {
    const { needed, redundancy } = replicasFor({
      perSecond: 100,
      peak: 1,
      serviceSeconds: 0.05,
      times: "exponential",
      share: 0.95,
      withinSeconds: 0.2,
      batch: 1,
      batchWaitSeconds: 0,
      spare: 1,
      availability: { ...assumedAvailabilities, target: 0.999, mostZones: 3, mostRegions: 1, canary: 1 },
    });
    expect(needed).toBe(7);
    expect(redundancy).toEqual(redundancyFor(question({ needed: 7, mostRegions: 1 })));
  });
});
