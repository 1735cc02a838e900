import { type CopyLeaf, type Finding, idOf } from "./findings.ts";

/** Leaves of the signed history and of a copy between two places at which both agree. */
export interface Stretch {
  /** Place of its first leaf in the signed history, and in the copy. */
  readonly soundAt: number;
  readonly copyAt: number;
  sound: CopyLeaf[];
  copy: CopyLeaf[];
}

/** A leaf of the signed history in one of the stretches. `place` is its true index. */
interface SoundLeaf {
  readonly leaf: CopyLeaf;
  readonly place: number;
}

/** A leaf of the copy in one of the stretches. `slot`: which of the sound leaves it is, if any. */
interface Placed {
  readonly leaf: CopyLeaf;
  readonly standsAt: number;
  readonly slot: number | undefined;
  readonly unmoved: boolean;
}

/**
 * Names every difference within the stretches. Genuine leaves are matched by hash, over all stretches; the longest run
 * of them in their right order is taken as unmoved, so that one removal is one finding, not a reordering of everything
 * after it.
 */
export function judgeStretches(name: string, stretches: readonly Stretch[]): Finding[] {
  const sound = stretches.flatMap((stretch) =>
    stretch.sound.map((leaf, i): SoundLeaf => ({ leaf, place: stretch.soundAt + i })),
  );
  const placed = placesOf(sound, stretches);
  const present = new Set(placed.flatMap(({ slot }) => (slot === undefined ? [] : [slot])));
  const walk = new StretchWalk(name, sound, present);
  let next = 0;
  let slotEnd = 0;
  for (const stretch of stretches) {
    for (const one of placed.slice(next, next + stretch.copy.length)) walk.take(one);
    next += stretch.copy.length;
    slotEnd += stretch.sound.length;
    walk.close(slotEnd, stretch.soundAt + stretch.sound.length);
  }
  return walk.findings;
}

function placesOf(sound: readonly SoundLeaf[], stretches: readonly Stretch[]): Placed[] {
  const free = new Map<string, number>();
  sound.forEach(({ leaf }, slot) => free.set(leaf.hash, slot));
  const copy = stretches.flatMap((stretch) =>
    stretch.copy.map((leaf, i) => ({ leaf, standsAt: stretch.copyAt + i })),
  );
  // A copied row counts as genuine where it stood, and as inserted anywhere else.
  const isHome = (slot: number, standsAt: number): boolean => sound[slot]?.place === standsAt;
  const atHome = new Set<string>();
  for (const { leaf, standsAt } of copy) {
    const slot = free.get(leaf.hash);
    if (slot !== undefined && isHome(slot, standsAt)) atHome.add(leaf.hash);
  }
  const taken = new Set<string>();
  const slots = copy.map(({ leaf, standsAt }) => {
    const slot = free.get(leaf.hash);
    if (slot === undefined || taken.has(leaf.hash)) return undefined;
    if (atHome.has(leaf.hash) && !isHome(slot, standsAt)) return undefined;
    taken.add(leaf.hash);
    return slot;
  });
  const unmoved = longestRising(slots);
  return copy.map(({ leaf, standsAt }, i) => ({ leaf, standsAt, slot: slots[i], unmoved: unmoved.has(i) }));
}

/** Positions (in `values`) of a longest strictly rising subsequence, `undefined` left out. O(n log n). */
export function longestRising(values: readonly (number | undefined)[]): Set<number> {
  const tails: number[] = [];
  const previous: (number | undefined)[] = [];
  values.forEach((value, i) => {
    if (value === undefined) return;
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const tail = values[tails[middle] ?? 0] ?? 0;
      if (tail < value) low = middle + 1;
      else high = middle;
    }
    previous[i] = low > 0 ? tails[low - 1] : undefined;
    tails[low] = i;
  });
  const chosen = new Set<number>();
  for (let at = tails.at(-1); at !== undefined; at = previous[at]) chosen.add(at);
  return chosen;
}

/** Goes from one unmoved leaf to the next and judges what lies between the two, in copy and history. */
class StretchWalk {
  readonly findings: Finding[] = [];
  readonly #name: string;
  readonly #sound: readonly SoundLeaf[];
  readonly #present: ReadonlySet<number>;
  #from = 0;
  #strangers: CopyLeaf[] = [];

  constructor(name: string, sound: readonly SoundLeaf[], present: ReadonlySet<number>) {
    this.#name = name;
    this.#sound = sound;
    this.#present = present;
  }

  take({ leaf, standsAt, slot, unmoved }: Placed): void {
    const place = slot === undefined ? undefined : this.#sound[slot]?.place;
    if (slot === undefined || place === undefined) {
      this.#strangers.push(leaf);
      return;
    }
    if (!unmoved) {
      const detail = `the row of index ${place} stands at ${standsAt}`;
      this.findings.push({ kind: "reordered", copy: this.#name, index: place, ...idOf(leaf), detail });
      return;
    }
    this.close(slot, place);
    this.#from = Math.max(this.#from, slot + 1);
    if (leaf.fault !== undefined) this.findings.push(edited(this.#name, place, leaf, leaf.fault));
  }

  /** Judges the gap that ends before the sound leaf `slot`, whose index is `before`. */
  close(slot: number, before: number): void {
    const missing: SoundLeaf[] = [];
    for (let i = this.#from; i < slot; i++) {
      const leaf = this.#sound[i];
      if (leaf !== undefined && !this.#present.has(i)) missing.push(leaf);
    }
    this.findings.push(...judgeGap(this.#name, missing, this.#strangers, before));
    this.#strangers = [];
    this.#from = Math.max(this.#from, slot);
  }
}

/** Pairs strangers with missing leaves, by id first and then by order; pairs are edits. */
function judgeGap(
  name: string,
  missing: readonly SoundLeaf[],
  strangers: readonly CopyLeaf[],
  before: number,
): Finding[] {
  const findings: Finding[] = [];
  const open = new Map(missing.map((one) => [one.place, one.leaf]));
  const byId = new Map(
    missing.flatMap(({ leaf, place }) => (leaf.id === undefined ? [] : [[leaf.id, place]])),
  );
  const rest: CopyLeaf[] = [];
  for (const stranger of strangers) {
    const place = stranger.id === undefined ? undefined : byId.get(stranger.id);
    if (place === undefined || !open.delete(place)) rest.push(stranger);
    else findings.push(edited(name, place, stranger, stranger.fault ?? "its leaf is not the signed one"));
  }
  for (const stranger of rest) {
    const was = open.get(stranger.index);
    if (was === undefined) {
      const detail = `no leaf of the signed history is this row; it stands before index ${before}`;
      findings.push({ kind: "inserted", copy: name, index: before, ...idOf(stranger), detail });
    } else {
      open.delete(stranger.index);
      const detail = was.id === undefined ? "its leaf is not the signed one" : `it replaces row ${was.id}`;
      findings.push(edited(name, stranger.index, stranger, detail));
    }
  }
  for (const [index, leaf] of open) {
    const detail = "the signed history has a leaf here and the copy no row";
    findings.push({ kind: "removed", copy: name, index, ...idOf(leaf), detail });
  }
  return findings;
}

function edited(name: string, index: number, leaf: CopyLeaf, detail: string): Finding {
  return { kind: "edited", copy: name, index, ...idOf(leaf), detail };
}
