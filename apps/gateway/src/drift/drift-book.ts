import { nextSampling } from "@portolan/monitoring/policy";
import { type ActiveRoute, watchedModel } from "../snapshot/serving-state.ts";
import type { CountBudget } from "./count-budget.ts";
import { bytesOfCells, type CountedPart } from "./counted-part.ts";
import { DriftSeries, type Seen, type SeriesKey } from "./drift-series.ts";
import { HeldParts } from "./held-parts.ts";
import type { ProfileBook } from "./profile-book.ts";

/** Versions that are counted at once; beyond it the one that was not asked for longest makes room. */
const mostSeries = 200;

interface Watched {
  readonly profile: string;
  series: DriftSeries | undefined;
}

/** Counts what models see and say, into the cells of their reference profiles. */
export class DriftBook {
  readonly #profiles: ProfileBook;
  readonly #laggingMs: number;
  readonly #series = new Map<string, DriftSeries>();
  /** By route, and apart from it what it answers in another's place; null: its version has no profile. */
  readonly #own = new WeakMap<ActiveRoute, Watched | null>();
  readonly #standingIn = new WeakMap<ActiveRoute, Watched | null>();
  readonly #budget: CountBudget;
  /** Counts of series that made room for others, and what could not be written down. */
  readonly #held: HeldParts;
  #uses = 0;
  #seed = 0x9e3779b9;
  #oneIn = 1;
  /** Rows since the start. */
  rows = 0;

  /** @param laggingMs delay of the event loop beyond which fewer requests are counted; 0: never */
  constructor(profiles: ProfileBook, laggingMs: number, budget: CountBudget) {
    this.#laggingMs = laggingMs;
    this.#profiles = profiles;
    this.#budget = budget;
    this.#held = new HeldParts(budget);
  }

  /** One of how many requests is counted now. */
  get oneIn(): number {
    return this.#oneIn;
  }

  /** An answer that a model gave. What has no profile, or none that is here yet, costs one look-up. */
  count(active: ActiveRoute, isFallback: boolean, seen: Seen): void {
    const watched = this.#watchedOf(active, isFallback);
    if (watched === null || !this.#isDrawn()) return;
    if (watched.series?.isRetired) watched.series = undefined;
    watched.series ??= this.#open(active, isFallback, watched.profile);
    if (!watched.series) return;
    watched.series.lastUse = ++this.#uses;
    this.rows += watched.series.count(seen, this.#oneIn);
  }

  /** @param delayMsP99 how late the event loop was since the last call */
  heed(delayMsP99: number): void {
    this.#oneIn = nextSampling(this.#oneIn, delayMsP99, this.#laggingMs);
  }

  /** Everything that was counted since the last call. It keeps its room until it is settled. */
  drain(): CountedPart[] {
    return [...this.#held.take(), ...[...this.#series.values()].flatMap((series) => series.drain())];
  }

  /**
   * Ends what {@link drain} began: what was written down makes room, the rest comes with the next call of it.
   *
   * @param unwritten some of `drained`
   */
  settle(drained: readonly CountedPart[], unwritten: readonly CountedPart[]): void {
    const rest = new Set(unwritten);
    for (const part of drained)
      if (rest.has(part)) this.#held.add(part);
      else this.#budget.release(bytesOfCells(part.counts.length));
  }

  #watchedOf(active: ActiveRoute, isFallback: boolean): Watched | null {
    const book = isFallback ? this.#standingIn : this.#own;
    const known = book.get(active);
    if (known !== undefined) return known;
    const { name, version } = watchedModel(active);
    const profile = active.route.profiles?.find((one) => one.model === name && one.version === version);
    const watched = profile ? { profile: profile.digest, series: undefined } : null;
    book.set(active, watched);
    return watched;
  }

  /** A new snapshot makes new routes of the same endpoint and version: they go on counting into the same series. */
  #open(active: ActiveRoute, isFallback: boolean, digest: string): DriftSeries | undefined {
    const profile = this.#profiles.get(digest);
    if (!profile) return undefined;
    const key = keyOf(active, isFallback, digest);
    const plan = active.route.features;
    const name = JSON.stringify([key, plan?.columns.map(({ input, index }) => [input, index]) ?? null]);
    const series = this.#series.get(name) ?? new DriftSeries(key, profile, plan, this.#budget);
    if (!this.#series.has(name) && this.#series.size >= mostSeries) this.#closeOne();
    this.#series.set(name, series);
    return series;
  }

  #closeOne(): void {
    const all = [...this.#series];
    const [name, series] = all.reduce((least, one) => (one[1].lastUse < least[1].lastUse ? one : least));
    for (const part of series.retire()) this.#held.add(part);
    this.#series.delete(name);
  }

  /** One of `oneIn`, by a xorshift: a draw per request costs a nanosecond or two. */
  #isDrawn(): boolean {
    if (this.#oneIn === 1) return true;
    let x = this.#seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#seed = x;
    return (x >>> 0) % this.#oneIn === 0;
  }
}

function keyOf(active: ActiveRoute, isFallback: boolean, profile: string): SeriesKey {
  const { route, context } = active;
  const { environment, useCaseId, endpointId, endpoint } = route;
  const model = watchedModel(active);
  const variant = isFallback ? "fallback" : context.variant;
  return {
    environment,
    useCaseId,
    endpointId,
    endpoint,
    variant,
    model: model.name,
    version: model.version,
    profile,
  };
}
