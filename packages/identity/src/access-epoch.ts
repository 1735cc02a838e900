import type { Actor, Clock, Sql } from "@portolan/kernel";
import { identityTables } from "./store.ts";

/** How long the epoch that a request was authenticated at is the one of its further questions, in microseconds. */
const freshMicros = 250_000;

/**
 * The number that the database moves with every change of who somebody is and what they may do. What was read at one epoch is good as
 * long as it stands.
 */
export interface AccessEpoch {
  /** Asks the database, after the call began; callers at the same time share one question. */
  now(): Promise<number>;
  /** Notes at which epoch an actor was made, for the questions of the same request. */
  note(actor: Actor, epoch: number): void;
  /** Of the actor's own request where that is a moment ago, else now. */
  of(actor: Actor): Promise<number>;
}

/** @param sql a connection of its own for each statement: one statement sees what is committed, and takes one turn instead of three */
export function createAccessEpoch(sql: Sql, clock: Clock): AccessEpoch {
  const noted = new WeakMap<Actor, { readonly epoch: number; readonly at: number }>();
  let running: Promise<unknown> | undefined;
  let next: Promise<number> | undefined;

  // One that is already under way may have been answered before the caller began: it is the next that counts.
  const now = (): Promise<number> => {
    next ??= (async () => {
      await running?.catch(() => undefined);
      const asked = readEpoch(sql);
      running = asked;
      next = undefined;
      return asked;
    })();
    return next;
  };
  return {
    now,
    note: (actor, epoch) => void noted.set(actor, { epoch, at: clock.now() }),
    of: async (actor) => {
      const known = noted.get(actor);
      return known && clock.now() - known.at < freshMicros ? known.epoch : now();
    },
  };
}

async function readEpoch(sql: Sql): Promise<number> {
  const row = await identityTables(sql)
    .selectFrom("identity.access_epoch")
    .select("epoch")
    .executeTakeFirstOrThrow();
  return row.epoch;
}

/** What was found at the newest epoch; at another one it is forgotten. Bounded: when it is full it starts anew. */
export class EpochMemory<Value> {
  readonly #most: number;
  #epoch = -1;
  #kept = new Map<string, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  get(epoch: number, key: string): Value | undefined {
    return epoch === this.#epoch ? this.#kept.get(key) : undefined;
  }

  /** @param epoch that was read before the value was: the value is of that time or later */
  set(epoch: number, key: string, value: Value): void {
    if (epoch < this.#epoch) return;
    if (epoch > this.#epoch || this.#kept.size >= this.#most) this.#kept = new Map();
    this.#epoch = epoch;
    this.#kept.set(key, value);
  }
}
