import type { FeatureRead, PredictionContext } from "../contract.ts";

/** Reads of one caller, purpose, endpoint and set of views since the last drain. */
interface Counted {
  /** The one that was announced, or is to be. */
  first: FeatureRead;
  /** A promise while its record is on its way: it settles with the record. `none`: the next read is announced. */
  announcement: Promise<void> | "none" | "written";
  /** Of the reads below those that wait for the announcement. */
  waiting: { requests: number; entities: number };
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
 * those after it are counted into one. None goes on before the announcement is written: those that come meanwhile wait for it, and fail with it. A read costs a look-up.
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

  /**
   * Has the read announced by `write`, or counts it.
   * @returns undefined when an announcement of its kind is written already; else what settles with it. Reads that an announcement failed are not counted, except where they were
   * drained meanwhile.
   */
  note(read: FeatureRead, write: () => Promise<unknown>): Promise<void> | undefined {
    const key = keyOf(read);
    let known = this.#counts.get(key);
    if (!known) {
      known = counted({ read, requests: 0, entities: 0, until: read.receivedAt });
      this.#counts.set(key, known);
    }
    if (known.announcement === "none") return announce(known, read, write);
    known.requests += 1;
    known.entities += read.entities;
    known.until = Math.max(known.until, read.receivedAt);
    if (known.announcement === "written") return undefined;
    known.waiting.requests += 1;
    known.waiting.entities += read.entities;
    return known.announcement;
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
      this.#counts.set(key, counted({ read, requests, entities, until }));
      return;
    }
    known.requests += requests;
    known.entities += entities;
    known.until = Math.max(known.until, until);
  }
}

function counted({ read: first, requests, entities, until }: CountedReads): Counted {
  const waiting = { requests: 0, entities: 0 };
  return { first, announcement: "none", waiting, requests, entities, until };
}

/** One that could not be written is another read's: the next of its kind is announced in its place. */
function announce(known: Counted, read: FeatureRead, write: () => Promise<unknown>): Promise<void> {
  known.first = read;
  const announcement = write().then(
    () => {
      known.announcement = "written";
    },
    (error: unknown) => {
      const { waiting } = known;
      known.announcement = "none";
      known.requests -= waiting.requests;
      known.entities -= waiting.entities;
      known.waiting = { requests: 0, entities: 0 };
      throw error;
    },
  );
  known.announcement = announcement;
  return announcement;
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
