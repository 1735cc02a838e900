import { type CopyLeaf, type Finding, idOf } from "./findings.ts";
import { judgeStretches, type Stretch } from "./stretches.ts";

/** Leaves in a row that agree again: the difference before them is over. */
const resyncRun = 64;
/** How many differing leaves are taken before looking whether the two only shifted against each other. */
const probeEvery = 1024;
/** Differing leaves that are kept for naming each; more tell a reader nothing new, and would fill the memory. */
export const maxDifferingLeaves = 100_000;

export interface ComparisonOptions {
  /** The copy may hold rows after the last signed leaf: they are not signed yet, and nothing is said of them. */
  readonly mayBeLonger?: boolean;
  readonly maxDiffering?: number;
}

/** Every difference of a copy from the sound one, each named once. Pure. */
export function compareCopy(name: string, sound: readonly CopyLeaf[], copy: readonly CopyLeaf[]): Finding[] {
  const comparison = new CopyComparison(name);
  comparison.take(sound, copy);
  return comparison.end();
}

/**
 * Compares a copy with the sound one as both are read, in parts of any size, and keeps what differs only. Leaves that
 * agree are paired as they come, also after a removal or an insertion shifted the two; the stretches in between are
 * judged together at the end, so that a row that moved far is found to have moved.
 */
export class CopyComparison {
  readonly #name: string;
  readonly #options: ComparisonOptions;
  #sound: readonly CopyLeaf[] = [];
  #copy: readonly CopyLeaf[] = [];
  /** Places, in the signed history and in the copy, of the first leaf that is still queued. */
  #soundAt = 0;
  #copyAt = 0;
  #open: Stretch | undefined;
  /** Leaves at the end of the open stretch that agree one by one. */
  #run = 0;
  #kept = 0;
  #gaveUpAt: number | undefined;
  readonly #stretches: Stretch[] = [];
  readonly #faults: Finding[] = [];
  readonly #renumbered = { count: 0, first: undefined as CopyLeaf | undefined, at: 0 };

  constructor(name: string, options: ComparisonOptions = {}) {
    this.#name = name;
    this.#options = options;
  }

  get #limit(): number {
    return this.#options.maxDiffering ?? maxDifferingLeaves;
  }

  take(sound: readonly CopyLeaf[], copy: readonly CopyLeaf[]): void {
    if (this.#gaveUpAt !== undefined) return;
    this.#sound = this.#sound.length === 0 ? sound : [...this.#sound, ...sound];
    this.#copy = this.#copy.length === 0 ? copy : [...this.#copy, ...copy];
    let taken = 0;
    while (taken < this.#sound.length && taken < this.#copy.length && this.#gaveUpAt === undefined) {
      const a = this.#sound[taken];
      const b = this.#copy[taken];
      if (a === undefined || b === undefined) break;
      taken += 1;
      if (this.#pair(a, b, taken)) taken = 0;
    }
    this.#drop(taken);
  }

  /** Judges what is left. Nothing may be taken afterwards. */
  end(): Finding[] {
    if (this.#gaveUpAt === undefined) this.#takeRest();
    else this.#trimCutEnds();
    if (this.#open !== undefined) this.#stretches.push(this.#open);
    const judged = judgeStretches(this.#name, this.#stretches);
    const findings = [...this.#faults, ...judged];
    const { count, first, at } = this.#renumbered;
    if (first !== undefined) {
      const detail = `${count} genuine rows claim an index that is not theirs, from ${at} on`;
      findings.push({ kind: "renumbered", copy: this.#name, index: at, ...idOf(first), detail });
    }
    if (this.#gaveUpAt !== undefined) {
      const detail = `more than ${this.#limit} leaves differ: from index ${this.#gaveUpAt} on they were not compared one by one`;
      findings.push({ kind: "diverged", copy: this.#name, index: this.#gaveUpAt, detail });
    }
    return findings;
  }

  /** Takes one leaf of each. True when the queues were re-aligned and are read from their start again. */
  #pair(a: CopyLeaf, b: CopyLeaf, taken: number): boolean {
    const place = this.#soundAt + taken - 1;
    if (this.#open === undefined) {
      if (a.hash === b.hash) {
        this.#same(a, b, place);
        return false;
      }
      this.#open = { soundAt: place, copyAt: this.#copyAt + taken - 1, sound: [], copy: [] };
      this.#run = 0;
    }
    const { sound, copy } = this.#open;
    sound.push(a);
    copy.push(b);
    this.#kept += 1;
    this.#run = a.hash === b.hash ? this.#run + 1 : 0;
    if (this.#run === resyncRun) this.#close(resyncRun, 0, 0);
    else if (sound.length % probeEvery === 0) {
      const shift = shiftOf(sound, copy);
      if (shift !== undefined) {
        this.#drop(taken);
        this.#close(shift.run, shift.soundAhead, shift.copyAhead);
        return true;
      }
    }
    if (this.#kept > this.#limit) this.#gaveUpAt = place + 1;
    return false;
  }

  /** Ends the open stretch before its last `run` pairs, which agree; what one side is ahead goes back into its queue. */
  #close(run: number, soundAhead: number, copyAhead: number): void {
    const open = this.#open;
    if (open === undefined) return;
    if (soundAhead > 0) this.#sound = [...cutTail(open.sound, soundAhead), ...this.#sound];
    if (copyAhead > 0) this.#copy = [...cutTail(open.copy, copyAhead), ...this.#copy];
    this.#soundAt -= soundAhead;
    this.#copyAt -= copyAhead;
    const sound = cutTail(open.sound, run);
    const copy = cutTail(open.copy, run);
    sound.forEach((leaf, i) => {
      const other = copy[i];
      if (other !== undefined) this.#same(leaf, other, open.soundAt + open.sound.length + i);
    });
    this.#kept -= run + Math.max(soundAhead, copyAhead);
    this.#stretches.push(open);
    this.#open = undefined;
  }

  #drop(taken: number): void {
    this.#sound = this.#sound.slice(taken);
    this.#copy = this.#copy.slice(taken);
    this.#soundAt += taken;
    this.#copyAt += taken;
  }

  #takeRest(): void {
    if (this.#sound.length > 0 || this.#copy.length > 0) {
      this.#open ??= { soundAt: this.#soundAt, copyAt: this.#copyAt, sound: [], copy: [] };
      this.#open.sound = this.#open.sound.concat(this.#sound);
      this.#open.copy = this.#open.copy.concat(this.#copy);
    }
    const open = this.#open;
    if (open === undefined) return;
    if (this.#options.mayBeLonger === true) {
      const size = open.soundAt + open.sound.length;
      const signed = this.#soundHashes();
      while (open.copyAt + open.copy.length > size && !signed.has(open.copy.at(-1)?.hash ?? ""))
        open.copy.pop();
    }
    let run = 0;
    const most = Math.min(open.sound.length, open.copy.length);
    while (run < most && open.sound.at(-1 - run)?.hash === open.copy.at(-1 - run)?.hash) run += 1;
    this.#sound = [];
    this.#copy = [];
    this.#close(run, 0, 0);
  }

  /**
   * Both sides were cut off somewhere: at their ends, what only one side has may have its like behind the cut. What is
   * left out is not named one by one.
   */
  #trimCutEnds(): void {
    const open = this.#open;
    if (open === undefined) return;
    const all = [...this.#stretches, open];
    const signed = namesOf(all.flatMap(({ sound }) => sound));
    const present = namesOf(all.flatMap(({ copy }) => copy));
    while (open.copy.length > 0 && !isNamed(open.copy.at(-1), signed)) open.copy.pop();
    while (open.sound.length > 0 && !isNamed(open.sound.at(-1), present)) open.sound.pop();
    this.#gaveUpAt = open.soundAt + open.sound.length;
  }

  #soundHashes(): ReadonlySet<string> {
    const all = this.#open === undefined ? this.#stretches : [...this.#stretches, this.#open];
    return new Set(all.flatMap(({ sound }) => sound.map((leaf) => leaf.hash)));
  }

  #same(sound: CopyLeaf, leaf: CopyLeaf, place: number): void {
    if (leaf.fault !== undefined) {
      const id = leaf.id === undefined ? idOf(sound) : idOf(leaf);
      this.#faults.push({ kind: "edited", copy: this.#name, index: place, ...id, detail: leaf.fault });
    }
    this.#count(leaf, place);
  }

  #count(leaf: CopyLeaf, place: number): void {
    if (leaf.index === place) return;
    const renumbered = this.#renumbered;
    renumbered.count += 1;
    if (renumbered.first !== undefined && renumbered.at <= place) return;
    renumbered.first = leaf;
    renumbered.at = place;
  }
}

function namesOf(leaves: readonly CopyLeaf[]): ReadonlySet<string> {
  return new Set(leaves.flatMap((leaf) => (leaf.id === undefined ? [leaf.hash] : [leaf.hash, leaf.id])));
}

function isNamed(leaf: CopyLeaf | undefined, names: ReadonlySet<string>): boolean {
  return leaf !== undefined && (names.has(leaf.hash) || (leaf.id !== undefined && names.has(leaf.id)));
}

function cutTail<T>(values: T[], count: number): T[] {
  return values.splice(values.length - count);
}

interface Shift {
  /** Pairs that agree up to where the shorter side ends. */
  readonly run: number;
  readonly soundAhead: number;
  readonly copyAhead: number;
}

/** Whether the end of one side is found further up in the other, over a whole run. */
function shiftOf(sound: readonly CopyLeaf[], copy: readonly CopyLeaf[]): Shift | undefined {
  const inSound = runEndingWith(sound, copy);
  if (inSound !== undefined) return { run: inSound.run, soundAhead: inSound.ahead, copyAhead: 0 };
  const inCopy = runEndingWith(copy, sound);
  return inCopy === undefined ? undefined : { run: inCopy.run, soundAhead: 0, copyAhead: inCopy.ahead };
}

function runEndingWith(
  within: readonly CopyLeaf[],
  tail: readonly CopyLeaf[],
): { readonly run: number; readonly ahead: number } | undefined {
  const last = tail.at(-1)?.hash;
  const end = within.findLastIndex((leaf) => leaf.hash === last);
  if (end < 0) return undefined;
  let run = 0;
  while (run <= end && run < tail.length && within[end - run]?.hash === tail.at(-1 - run)?.hash) run += 1;
  return run < resyncRun ? undefined : { run, ahead: within.length - 1 - end };
}
