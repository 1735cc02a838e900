import {
  addMicros,
  type CallContext,
  type Clock,
  type JsonObject,
  type JsonValue,
  type Logger,
  messageOf,
  microsPerSecond,
} from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { Database } from "../database.ts";
import { intentTables } from "./intent-tables.ts";

/** An open intention, as its handler sees it. */
export interface Intent {
  /** `int_…`; the same at every attempt: the effect's idempotency key. */
  readonly id: string;
  readonly kind: string;
  readonly payload: JsonObject;
  /** Who caused it. */
  readonly call: CallContext;
}

/** Performs one kind of effect outside SQL. May be called again for an intent that it has performed already. */
export interface IntentHandler {
  readonly kind: string;
  perform(intent: Intent): Promise<JsonValue>;
}

export interface ReconcilerDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly handlers: readonly IntentHandler[];
  readonly log: Logger;
  /** How often it looks by itself, in milliseconds; default 2000. `wake` makes it look now. */
  readonly pollMs?: number;
}

export interface Reconciler {
  /** To be called after each commit that noted an intention (`onIntents` of the unit of work). */
  wake(): void;
  /** Performs what is due until nothing is; resolves to the number of intents closed. */
  runOnce(): Promise<number>;
  /** Lets the effect in hand finish, then stops. */
  stop(): Promise<void>;
}

/** An intent taken and not closed within this time is taken again: its process died, or hangs. */
const leaseSeconds = 60;
const longestDelaySeconds = 300;
const batch = 20;

/**
 * Closes open intentions: performs each effect after its transaction has committed, again after a crash or an
 * error (with growing delay), and writes the outcome. Intents of one kind are performed in the order of their
 * noting; kinds do not wait for each other.
 */
export async function startReconciler(deps: ReconcilerDeps): Promise<Reconciler> {
  const loops = deps.handlers.map((handler) => new KindLoop(deps, handler));
  // What a process that died had taken is due now, not when its lease ends.
  await intentTables(deps.database.sql)
    .updateTable("database.intents")
    .set({ next_attempt_at: deps.clock.now() })
    .where("state", "=", "open")
    .execute();
  const wake = (): void => {
    for (const loop of loops) loop.wake();
  };
  const timer = setInterval(wake, deps.pollMs ?? 2_000);
  wake();
  return {
    wake,
    runOnce: async () => {
      const counts = await Promise.all(loops.map((loop) => loop.drain()));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

interface Taken extends Intent {
  readonly attempts: number;
}

class KindLoop {
  readonly #deps: ReconcilerDeps;
  readonly #handler: IntentHandler;
  #tail: Promise<number> = Promise.resolve(0);
  #queued = false;
  #stopped = false;

  constructor(deps: ReconcilerDeps, handler: IntentHandler) {
    this.#deps = deps;
    this.#handler = handler;
  }

  /** One look is enough for any number of wakes that come before it begins. */
  wake(): void {
    if (this.#queued || this.#stopped) return;
    this.#queued = true;
    this.drain().catch((error: unknown) => {
      this.#deps.log.warn(
        { kind: this.#handler.kind, error: messageOf(error) },
        "database.intents.look_failed",
      );
    });
  }

  /** Looks come one after another: two at once would perform effects of one kind out of order. */
  drain(): Promise<number> {
    this.#tail = this.#tail
      .catch(() => 0)
      .then(() => {
        this.#queued = false;
        return this.#drain();
      });
    return this.#tail;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#tail.catch(() => 0);
  }

  async #drain(): Promise<number> {
    let closed = 0;
    while (!this.#stopped) {
      const taken = await this.#take();
      for (const intent of taken) {
        if (this.#stopped) return closed;
        if (await this.#perform(intent)) closed += 1;
      }
      if (taken.length < batch) return closed;
    }
    return closed;
  }

  async #take(): Promise<Taken[]> {
    const { clock, database } = this.#deps;
    const now = clock.now();
    const rows = await intentTables(database.sql)
      .updateTable("database.intents")
      .set((eb) => ({
        next_attempt_at: addMicros(now, leaseSeconds * microsPerSecond),
        attempts: eb("attempts", "+", 1),
      }))
      .where("id", "in", (eb) =>
        eb
          .selectFrom("database.intents")
          .select("id")
          .where("state", "=", "open")
          .where("kind", "=", this.#handler.kind)
          .where("next_attempt_at", "<=", now)
          .orderBy("id")
          .limit(batch)
          .forUpdate()
          .skipLocked(),
      )
      .returning(["id", "kind", "payload", "call", "attempts"])
      .execute();
    return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async #perform(intent: Taken): Promise<boolean> {
    const { clock, database, log } = this.#deps;
    const open = intentTables(database.sql)
      .updateTable("database.intents")
      .where("id", "=", intent.id)
      .where("state", "=", "open");
    try {
      const outcome = await this.#handler.perform(intent);
      const closed = { state: "done" as const, outcome: JSON.stringify(outcome), closed_at: clock.now() };
      await open.set({ ...closed, last_error: raw`null` }).execute();
      return true;
    } catch (error) {
      const delaySeconds = Math.min(2 ** Math.min(intent.attempts - 1, 10), longestDelaySeconds);
      const next = addMicros(clock.now(), delaySeconds * microsPerSecond);
      await open.set({ next_attempt_at: next, last_error: messageOf(error) }).execute();
      log.warn({ intent: intent.id, kind: intent.kind, error: messageOf(error) }, "database.intents.failed");
      return false;
    }
  }
}
