import type { MigModel, MigProfile } from "./models.ts";

/** An instance on a card, at a memory slice. */
export interface Instance {
  readonly profile: MigProfile;
  readonly start: number;
}

/** Bits of the memory slices that it takes. */
function slicesOf({ profile, start }: Instance): number {
  return ((1 << profile.memorySlices) - 1) << start;
}

/** What of a card is taken. */
interface Taken {
  readonly slices: number;
  readonly compute: number;
  readonly hasMedia: boolean;
}

const nothing: Taken = { slices: 0, compute: 0, hasMedia: false };

function canTake(model: MigModel, taken: Taken, instance: Instance): boolean {
  return (
    (taken.slices & slicesOf(instance)) === 0 &&
    taken.compute + instance.profile.computeSlices <= model.computeSlices &&
    !(taken.hasMedia && instance.profile.hasMedia)
  );
}

function withInstance(taken: Taken, instance: Instance): Taken {
  return {
    slices: taken.slices | slicesOf(instance),
    compute: taken.compute + instance.profile.computeSlices,
    hasMedia: taken.hasMedia || instance.profile.hasMedia,
  };
}

/** All places of all profiles that `which` takes. */
function placesOf(model: MigModel, which: (profile: MigProfile) => boolean): Instance[] {
  return model.profiles
    .filter(which)
    .flatMap((profile) => profile.starts.map((start) => ({ profile, start })));
}

/** Why instances cannot stand on one card together, a sentence for each reason; none where they can. */
export function faultsOf(model: MigModel, instances: readonly Instance[]): string[] {
  const faults: string[] = [];
  let taken = nothing;
  for (const instance of instances) {
    const { profile, start } = instance;
    const what = `${profile.name} at ${start}`;
    if (!profile.starts.includes(start))
      faults.push(`${what}: it may begin at ${profile.starts.join(", ")} alone`);
    if ((taken.slices & slicesOf(instance)) !== 0)
      faults.push(`${what}: its memory slices are taken by another instance`);
    if (taken.hasMedia && profile.hasMedia)
      faults.push(`${what}: another instance has the card's media engines`);
    taken = withInstance(taken, instance);
  }
  if (taken.compute > model.computeSlices)
    faults.push(
      `the instances take ${taken.compute} compute slices, ${model.name} has ${model.computeSlices}`,
    );
  return faults;
}

export interface LayoutOptions {
  /** Profiles with the media engines too; by default they are left out. */
  readonly withMedia?: boolean;
  /** Without the profiles that have one compute slice and double memory, which came later than the rest. */
  readonly withoutDoubleMemory?: boolean;
}

function wanted({ withMedia = false, withoutDoubleMemory = false }: LayoutOptions) {
  return (profile: MigProfile): boolean =>
    (withMedia || !profile.hasMedia) &&
    !(withoutDoubleMemory && profile.memorySlices > profile.computeSlices && profile.computeSlices === 1);
}

/** Every way to stand instances on a card, the empty one included. */
export function layouts(model: MigModel, options: LayoutOptions = {}): Instance[][] {
  const places = placesOf(model, wanted(options));
  const found: Instance[][] = [];
  const add = (from: number, layout: readonly Instance[], taken: Taken): void => {
    found.push([...layout]);
    for (let index = from; index < places.length; index++) {
      const place = places[index];
      if (place && canTake(model, taken, place))
        add(index + 1, [...layout, place], withInstance(taken, place));
    }
  };
  add(0, [], nothing);
  return found;
}

/** Those to which no instance can be added. */
export function maximalLayouts(model: MigModel, options: LayoutOptions = {}): Instance[][] {
  const places = placesOf(model, wanted(options));
  return layouts(model, options).filter((layout) => {
    const taken = layout.reduce(withInstance, nothing);
    return !places.some((place) => canTake(model, taken, place));
  });
}

/** How many of each profile a layout has, in the order of the model's profiles: `1g.10gb`×7 is `7,0,0,0,0,0,0`. */
export function countsOf(model: MigModel, layout: readonly Instance[]): number[] {
  return model.profiles.map(({ name }) => layout.filter(({ profile }) => profile.name === name).length);
}

/** Where as many instances of each profile can stand on one card together; absent where they cannot. */
export function standing(model: MigModel, counts: readonly number[]): Instance[] | undefined {
  const order = [...model.profiles.keys()].toSorted(
    (a, b) => (model.profiles[b]?.memorySlices ?? 0) - (model.profiles[a]?.memorySlices ?? 0),
  );
  const profiles = order.flatMap((index) => {
    const profile = model.profiles[index];
    return profile ? Array<MigProfile>(counts[index] ?? 0).fill(profile) : [];
  });
  const add = (index: number, layout: readonly Instance[], taken: Taken): Instance[] | undefined => {
    const profile = profiles[index];
    if (profile === undefined) return [...layout];
    // Like ones in the order of their places: one of the orders is enough.
    const last = layout.at(-1);
    const after = last?.profile.name === profile.name ? last.start : -1;
    for (const start of profile.starts) {
      const instance = { profile, start };
      if (start <= after || !canTake(model, taken, instance)) continue;
      const found = add(index + 1, [...layout, instance], withInstance(taken, instance));
      if (found) return found;
    }
    return undefined;
  };
  return profiles.length > model.memorySlices ? undefined : add(0, [], nothing);
}
