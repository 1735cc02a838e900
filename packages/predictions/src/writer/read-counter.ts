import type { FeatureRead, PredictionContext } from "../contract.ts";

/** Reads of one caller, purpose, endpoint and set of views since the last drain. */
interface Counted {
  /** The one that was announced, or is to be. */
  first: FeatureRead;
  isAnnounced: boolean;
  requests: number;
  entities: number;
  until: number;
}

/** What one record stands for. */
export interface CountedReads {
  readonly read: FeatureRead;
  readonly requests: number;
  readonly entities: number;
  /** Arrival of the last, epoch microseconds. */
  readonly until: number;
}

/**
 * Bounds what reads of features cost: by caller, purpose, endpoint and views the first one since the last drain is announced by a record of its own, and
 * those after it are counted into one. A read costs a look-up.
 */
export class ReadCounter {
  readonly #most: number;
  #counts = new Map<string, Counted>();

  /** @param most keys that are counted at once; whoever drains is told when there are as many */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether no more keys should be opened before the next drain. */
  get isFull(): boolean {
    return this.#counts.size >= this.#most;
  }

  /** True when this read is to be announced: it counts from then on, unless it is taken back. */
  admit(read: FeatureRead): boolean {
    const key = keyOf(read);
    const known = this.#counts.get(key);
    if (!known) {
      const counted = { first: read, isAnnounced: true, requests: 0, entities: 0, until: read.receivedAt };
      this.#counts.set(key, counted);
      return true;
    }
    if (!known.isAnnounced) {
      known.first = read;
      known.isAnnounced = true;
      return true;
    }
    known.requests += 1;
    known.entities += read.entities;
    known.until = Math.max(known.until, read.receivedAt);
    return false;
  }

  /** Its announcement could not be written: the next read of its kind is announced in its place. */
  takeBack(read: FeatureRead): void {
    const known = this.#counts.get(keyOf(read));
    if (known?.first === read) known.isAnnounced = false;
  }

  /** What was counted and not announced, one entry per key; everything begins anew. */
  drain(): CountedReads[] {
    const counts = this.#counts;
    this.#counts = new Map();
    return [...counts.values()].flatMap(({ first, requests, entities, until }) =>
      requests > 0 ? [{ read: first, requests, entities, until }] : [],
    );
  }

  /** Counts again what could not be written, so that a full disk delays a count and does not lose it. */
  restore({ read, requests, entities, until }: CountedReads): void {
    const key = keyOf(read);
    const known = this.#counts.get(key);
    if (!known) {
      this.#counts.set(key, { first: read, isAnnounced: false, requests, entities, until });
      return;
    }
    known.requests += requests;
    known.entities += entities;
    known.until = Math.max(known.until, until);
  }
}

const places = new WeakMap<PredictionContext, string>();

/** A context is reused from request to request: where it is, is written out once. */
function placeOf(context: PredictionContext): string {
  const known = places.get(context);
  if (known !== undefined) return known;
  const { organisationId, environment, useCaseId, endpoint } = context;
  const place = JSON.stringify([organisationId, environment, useCaseId, endpoint]);
  places.set(context, place);
  return place;
}

/** None of these holds the end of a line: they are names, and the text of a header. */
function keyOf({ principal, purpose, context, views }: FeatureRead): string {
  return `${principal}\n${purpose === undefined ? "" : `=${purpose}`}\n${placeOf(context)}\n${views.join(" ")}`;
}
