import { type MigModel, migModels, packInstances } from "@portolan/capacity";
import { describe, expect, test } from "vitest";
import { countsOf, faultsOf, layouts } from "../../packages/capacity/src/mig/layouts.ts";
import { settle } from "../../packages/capacity/test/quota-runs.ts";
import { randomOf } from "./random.ts";

describe("quotas", () => {
  test("preemption goes round in circles in none of 100,000 random runs, and every bound holds after each turn", () => {
    const failed: string[] = [];
    let evictions = 0;
    for (let seed = 1; seed <= 100_000; seed++) {
      const run = settle(randomOf(seed));
      evictions += run.evictions;
      if (run.faults.length > 0) failed.push(`seed ${seed}: ${run.faults.join("; ")}`);
    }
    expect(failed.slice(0, 20)).toEqual([]);
    // Runs in which nobody is evicted would show nothing.
    expect(evictions).toBeGreaterThan(20_000);
  }, 300_000);
});

/** Sets of instances as numbers of each profile, all of up to so many: the place of each, and each. */
function setsOf(kinds: number, most: number): readonly (readonly number[])[] {
  const sets: number[][] = [];
  const extend = (counts: readonly number[], left: number): void => {
    if (counts.length === kinds) sets.push([...counts]);
    else for (let count = 0; count <= left; count++) extend([...counts, count], left - count);
  };
  extend([], most);
  return sets;
}

/**
 * The fewest cards of every set of up to twelve instances, each by way of all smaller ones: one card fewer than it takes, for whatever stands on the last.
 * Nothing of it is how packings are made.
 */
function fewestCards(model: MigModel, sets: readonly (readonly number[])[]): ReadonlyMap<string, number> {
  const cards = [...new Set(layouts(model, { withMedia: true }).map((one) => countsOf(model, one).join()))]
    .map((text) => text.split(",").map(Number))
    .filter((counts) => counts.some((count) => count > 0));
  const sizeOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const fewest = new Map<string, number>();
  for (const set of sets.toSorted((a, b) => sizeOf(a) - sizeOf(b))) {
    if (sizeOf(set) === 0) {
      fewest.set(set.join(), 0);
      continue;
    }
    let best = Number.POSITIVE_INFINITY;
    for (const card of cards) {
      if (card.some((count, index) => count > (set[index] ?? 0))) continue;
      const rest = set.map((count, index) => count - (card[index] ?? 0));
      best = Math.min(best, 1 + (fewest.get(rest.join()) ?? Number.POSITIVE_INFINITY));
    }
    fewest.set(set.join(), best);
  }
  return fewest;
}

describe("MIG", () => {
  // Cards of seven slices are cut alike: the H100 stands for all but the A30.
  test.each(["A30-24GB", "H100-80GB"])(
    "every set of up to twelve instances of the %s takes the fewest cards that it can, and stands on them",
    (name) => {
      const model = migModels.find((one) => one.name === name);
      if (!model) throw new Error(name);
      const sets = setsOf(model.profiles.length, 12);
      const fewest = fewestCards(model, sets);
      const wrong: string[] = [];
      for (const counts of sets) {
        const { cards, isOptimal } = packInstances(model, counts);
        const isSound =
          isOptimal &&
          cards.length === fewest.get(counts.join()) &&
          cards.every((card) => faultsOf(model, card).length === 0) &&
          countsOf(model, cards.flat()).join() === counts.join();
        if (!isSound) wrong.push(counts.join());
      }
      expect(wrong).toEqual([]);
      expect(sets.length).toBe(name === "A30-24GB" ? 6188 : 50_388);
    },
    300_000,
  );
});
