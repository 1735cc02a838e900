/** A leaf as some copy of the log has it. The array position is the place it stands at. */
export interface CopyLeaf {
  /** Hex of the leaf hash, computed from the entry wherever there is one. */
  readonly hash: string;
  readonly id: string | undefined;
  /** The place it claims; a claim that differs from its true place is reported once per copy. */
  readonly index: number;
  /** What is wrong inside the row itself (payload, columns), although its entry may be sound. */
  readonly fault?: string;
}

export type FindingKind =
  /** Same place, other content. */
  | "edited"
  /** A leaf of the signed history has no row. */
  | "removed"
  /** A row that no leaf of the signed history is made of. */
  | "inserted"
  /** The row is genuine and stands at another place. */
  | "reordered"
  /** Rows claim other indexes than they have, because of what was removed or inserted before them. */
  | "renumbered"
  /** A copy departs from the signed roots somewhere in a range, and no sound copy is left to say where. */
  | "diverged"
  /** A checkpoint does not count, or contradicts another. */
  | "checkpoint"
  /** The file is not what the format says. */
  | "malformed";

export interface Finding {
  readonly kind: FindingKind;
  /** Which copy: `rows`, `tiles` or `bundles`. */
  readonly copy: string;
  /** Place in the signed history; for `inserted` the place before which the row stands. */
  readonly index?: number;
  readonly id?: string;
  readonly detail: string;
}

/**
 * Every difference of a copy from the sound one, each named once. Pure. Genuine leaves are matched by hash; the
 * longest run of them in their right order is taken as unmoved, so that one removal is one finding, not a
 * reordering of everything after it.
 */
export function compareCopy(name: string, sound: readonly CopyLeaf[], copy: readonly CopyLeaf[]): Finding[] {
  const findings: Finding[] = [];
  for (const [i, leaf] of copy.entries()) {
    const genuine = leaf.fault !== undefined && sound[i]?.hash === leaf.hash;
    if (genuine) findings.push(edited(name, i, leaf, leaf.fault ?? ""));
  }
  const start = commonPrefix(sound, copy);
  const end = commonSuffix(sound, copy, start);
  const soundEnd = sound.length - end;
  const copyEnd = copy.length - end;
  if (start === soundEnd && start === copyEnd) return [...findings, ...renumbered(name, sound, copy, end)];
  const places = placesOf(sound, copy, start, soundEnd, copyEnd);
  findings.push(...walk(name, sound, copy, places, start, soundEnd));
  return [...findings, ...renumbered(name, sound, copy, end)];
}

function commonPrefix(a: readonly CopyLeaf[], b: readonly CopyLeaf[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n]?.hash === b[n]?.hash) n++;
  return n;
}

function commonSuffix(a: readonly CopyLeaf[], b: readonly CopyLeaf[], start: number): number {
  let n = 0;
  while (n < a.length - start && n < b.length - start && a.at(-1 - n)?.hash === b.at(-1 - n)?.hash) n++;
  return n;
}

/** One leaf of the copy within the differing stretch. `place`: where the signed history has it, if anywhere. */
interface Placed {
  readonly leaf: CopyLeaf;
  readonly place: number | undefined;
  readonly unmoved: boolean;
}

function placesOf(
  sound: readonly CopyLeaf[],
  copy: readonly CopyLeaf[],
  start: number,
  soundEnd: number,
  copyEnd: number,
): Placed[] {
  const free = new Map<string, number>();
  for (let i = start; i < soundEnd; i++) free.set(sound[i]?.hash ?? "", i);
  const stretch = copy.slice(start, copyEnd);
  // A copied row counts as genuine where it stood, and as inserted anywhere else.
  const atHome = new Set<string>();
  stretch.forEach((leaf, i) => {
    if (free.get(leaf.hash) === start + i) atHome.add(leaf.hash);
  });
  const taken = new Set<string>();
  const places = stretch.map((leaf, i) => {
    const place = free.get(leaf.hash);
    if (place === undefined || taken.has(leaf.hash)) return undefined;
    if (atHome.has(leaf.hash) && place !== start + i) return undefined;
    taken.add(leaf.hash);
    return place;
  });
  const unmoved = longestRising(places);
  return stretch.map((leaf, i) => ({ leaf, place: places[i], unmoved: unmoved.has(i) }));
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
function walk(
  name: string,
  sound: readonly CopyLeaf[],
  copy: readonly CopyLeaf[],
  placed: readonly Placed[],
  start: number,
  soundEnd: number,
): Finding[] {
  const present = new Set(placed.flatMap(({ place }) => (place === undefined ? [] : [place])));
  const findings: Finding[] = [];
  let from = start;
  let strangers: CopyLeaf[] = [];
  const close = (to: number): void => {
    const missing: number[] = [];
    for (let i = from; i < to; i++) if (!present.has(i)) missing.push(i);
    findings.push(...judgeGap(name, sound, missing, strangers, to));
    strangers = [];
  };
  placed.forEach(({ leaf, place, unmoved }, i) => {
    if (place === undefined) strangers.push(leaf);
    else if (unmoved) {
      close(place);
      from = place + 1;
      if (leaf.fault !== undefined && sound[start + i]?.hash !== leaf.hash) {
        findings.push(edited(name, place, leaf, leaf.fault));
      }
    } else {
      const detail = `the row of index ${place} stands at ${start + i} of ${copy.length}`;
      findings.push({ kind: "reordered", copy: name, index: place, ...idOf(leaf), detail });
    }
  });
  close(soundEnd);
  return findings;
}

/** Pairs strangers with missing leaves, by id first and then by order; pairs are edits. */
function judgeGap(
  name: string,
  sound: readonly CopyLeaf[],
  missing: readonly number[],
  strangers: readonly CopyLeaf[],
  before: number,
): Finding[] {
  const findings: Finding[] = [];
  const open = new Set(missing);
  const rest: CopyLeaf[] = [];
  for (const stranger of strangers) {
    const match = missing.find(
      (i) => open.has(i) && stranger.id !== undefined && sound[i]?.id === stranger.id,
    );
    if (match === undefined) rest.push(stranger);
    else {
      open.delete(match);
      findings.push(edited(name, match, stranger, stranger.fault ?? "its leaf is not the signed one"));
    }
  }
  for (const stranger of rest) {
    const match = missing.find((i) => open.has(i) && i === stranger.index);
    if (match === undefined) {
      const detail = `no leaf of the signed history is this row; it stands before index ${before}`;
      findings.push({ kind: "inserted", copy: name, index: before, ...idOf(stranger), detail });
    } else {
      open.delete(match);
      const was = sound[match]?.id;
      const detail = was === undefined ? "its leaf is not the signed one" : `it replaces row ${was}`;
      findings.push(edited(name, match, stranger, detail));
    }
  }
  for (const index of open) {
    const detail = "the signed history has a leaf here and the copy no row";
    findings.push({ kind: "removed", copy: name, index, ...idOf(sound[index]), detail });
  }
  return findings;
}

function renumbered(
  name: string,
  sound: readonly CopyLeaf[],
  copy: readonly CopyLeaf[],
  suffix: number,
): Finding[] {
  const wrong: number[] = [];
  copy.forEach((leaf, i) => {
    const place = i >= copy.length - suffix ? sound.length - (copy.length - i) : i;
    const genuine = sound[place]?.hash === leaf.hash;
    if (genuine && leaf.index !== place) wrong.push(place);
  });
  const [first] = wrong;
  if (first === undefined) return [];
  const detail = `${wrong.length} genuine rows claim an index that is not theirs, from ${first} on`;
  return [{ kind: "renumbered", copy: name, index: first, ...idOf(sound[first]), detail }];
}

function edited(name: string, index: number, leaf: CopyLeaf, detail: string): Finding {
  return { kind: "edited", copy: name, index, ...idOf(leaf), detail };
}

function idOf(leaf: CopyLeaf | undefined): { readonly id?: string } {
  return leaf?.id === undefined ? {} : { id: leaf.id };
}
