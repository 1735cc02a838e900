import { PortolanError } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import { countsOf, type Instance, layouts, standing } from "./layouts.ts";
import type { MigModel, MigProfile } from "./models.ts";

/** Instances on cards of one model. */
export interface Packing {
  readonly model: MigModel;
  /** One layout for each card. */
  readonly cards: readonly (readonly Instance[])[];
  /** No packing takes fewer cards than this. */
  readonly atLeast: number;
  readonly isOptimal: boolean;
  /** Slices that are left on the cards that are used. */
  readonly left: { readonly compute: number; readonly memory: number };
}

/**
 * The profile of a model by its name.
 *
 * @throws PortolanError `capacity.unknown_profile`
 */
export function profileOf(model: MigModel, name: string): MigProfile {
  const profile = model.profiles.find((one) => one.name === name);
  if (profile) return profile;
  throw new PortolanError<CapacityErrorCode>("capacity.unknown_profile", {
    detail: `${model.name} has no profile ${JSON.stringify(name)}`,
    mend: `Its profiles are ${model.profiles.map((one) => one.name).join(", ")}.`,
  });
}

export interface Need {
  readonly memoryGib: number;
  /** Sevenths of the card's processors; on an A30 quarters. */
  readonly computeSlices: number;
}

/**
 * The smallest profile that meets a need. Profiles are ordered so that what a smaller one meets, it meets in every place where a larger one can stand:
 * no packing is the worse for it.
 *
 * @throws PortolanError `capacity.no_profile_fits`
 */
export function smallestProfile(model: MigModel, { memoryGib, computeSlices }: Need): MigProfile {
  const found = model.profiles.find(
    (profile) =>
      !profile.hasMedia &&
      profile.computeSlices >= computeSlices &&
      profile.memoryGib !== undefined &&
      profile.memoryGib >= memoryGib,
  );
  if (found) return found;
  const most = Math.max(...model.profiles.map((profile) => profile.memoryGib ?? 0));
  throw new PortolanError<CapacityErrorCode>("capacity.no_profile_fits", {
    detail: `no instance of ${model.name} has ${memoryGib} GiB and ${computeSlices} compute slices`,
    mend: `The largest that is known has ${most} GiB; ask for less, or for whole cards.`,
  });
}

/** Up to so many different remainders the fewest cards are found exactly: a second at most. */
const mostRemainders = 20_000;

/**
 * Stands as many instances of each profile on as few cards as possible. Exact where the number of different remainders is small, which every set of
 * twelve instances is; else card by card, each filled with what leaves the fewest slices, and `atLeast` says how far from the best it may be.
 *
 * @param counts of instances, in the order of the model's profiles
 */
export function packInstances(model: MigModel, counts: readonly number[]): Packing {
  const remainders = counts.reduce((product, count) => product * (count + 1), 1);
  const found = remainders <= mostRemainders ? fewestCards(model, counts) : filledCards(model, counts);
  const cards = found.map((card) => standing(model, card) ?? []);
  const atLeast = remainders <= mostRemainders ? cards.length : lowerBound(model, counts);
  const used = (slices: (profile: MigProfile) => number): number =>
    cards.flat().reduce((sum, { profile }) => sum + slices(profile), 0);
  return {
    model,
    cards,
    atLeast,
    isOptimal: cards.length === atLeast,
    left: {
      compute: cards.length * model.computeSlices - used((profile) => profile.computeSlices),
      memory: cards.length * model.memorySlices - used((profile) => profile.memorySlices),
    },
  };
}

/** A portfolio asks for the same card many times. */
const foundFillings = new WeakMap<MigModel, readonly number[][]>();

function fillings(model: MigModel): readonly number[][] {
  const found = foundFillings.get(model) ?? findFillings(model);
  foundFillings.set(model, found);
  return found;
}

/** Counts of each profile that can stand on one card together, each once; the fullest first. */
function findFillings(model: MigModel): number[][] {
  const all = new Map<string, number[]>();
  for (const layout of layouts(model, { withMedia: true })) {
    const counts = countsOf(model, layout);
    if (layout.length > 0) all.set(counts.join(), counts);
  }
  const slices = (counts: readonly number[]): number =>
    counts.reduce((sum, count, index) => sum + count * (model.profiles[index]?.memorySlices ?? 0), 0);
  return [...all.values()].toSorted((a, b) => slices(b) - slices(a));
}

function within(filling: readonly number[], counts: readonly number[]): boolean {
  return filling.every((count, index) => count <= (counts[index] ?? 0));
}

function without(counts: readonly number[], filling: readonly number[]): number[] {
  return counts.map((count, index) => count - (filling[index] ?? 0));
}

/** The largest fillings within what remains: a smaller one never needs fewer cards. */
function largestWithin(all: readonly number[][], counts: readonly number[]): number[][] {
  const fitting = all.filter((filling) => within(filling, counts));
  return fitting.filter((filling) => !fitting.some((other) => other !== filling && within(filling, other)));
}

function fewestCards(model: MigModel, counts: readonly number[]): number[][] {
  const all = fillings(model);
  const known = new Map<string, number[][]>();
  const solve = (remaining: readonly number[]): number[][] => {
    if (remaining.every((count) => count === 0)) return [];
    const key = remaining.join();
    const before = known.get(key);
    if (before) return before;
    let best: number[][] | undefined;
    for (const filling of largestWithin(all, remaining)) {
      const rest = solve(without(remaining, filling));
      if (best === undefined || rest.length + 1 < best.length) best = [filling, ...rest];
    }
    const found = best ?? [];
    known.set(key, found);
    return found;
  };
  return solve(counts);
}

function filledCards(model: MigModel, counts: readonly number[]): number[][] {
  const all = fillings(model);
  const cards: number[][] = [];
  let remaining = [...counts];
  while (remaining.some((count) => count > 0)) {
    const filling = all.find((one) => within(one, remaining));
    if (!filling) break;
    cards.push(filling);
    remaining = without(remaining, filling);
  }
  return cards;
}

/** By slices of each kind, and by what only so many of can stand on a card. */
function lowerBound(model: MigModel, counts: readonly number[]): number {
  let compute = 0;
  let memory = 0;
  let media = 0;
  let byProfile = 0;
  for (const [index, profile] of model.profiles.entries()) {
    const count = counts[index] ?? 0;
    compute += count * profile.computeSlices;
    memory += count * profile.memorySlices;
    if (profile.hasMedia) media += count;
    byProfile = Math.max(byProfile, count / profile.starts.length);
  }
  return Math.ceil(Math.max(compute / model.computeSlices, memory / model.memorySlices, media, byProfile));
}
