import { setTimeout as delay } from "node:timers/promises";
import type { SequencerLock } from "./ports.ts";

/** One database session, as `database` lends it. */
export interface LockSession {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

// Any constant serves; all Portolan processes take the same one.
const sequencerLock = 7_467_020;
/** A server notices a killed client within moments; a live one keeps the lock for longer than this. */
const waitMs = 5000;
const retryMs = 100;

/**
 * The sequencer's lock on PostgreSQL: a session advisory lock, which ends with its process. It keeps one connection
 * for as long as it is held, so it must not be used on PGlite, which has one only (and a folder lock instead).
 */
export function advisorySequencerLock(
  openSession: (work: (session: LockSession) => Promise<void>) => Promise<void>,
): SequencerLock {
  return {
    acquire: () =>
      new Promise((resolve, reject) => {
        const released = Promise.withResolvers<void>();
        const ended = openSession(async (session) => {
          if (!(await lockWithin(session))) return resolve(undefined);
          resolve({
            release: async () => {
              released.resolve();
              // A session that was lost meanwhile has given its lock back already.
              await ended.catch(() => undefined);
            },
          });
          await released.promise;
          await session.query("select pg_advisory_unlock($1)", [sequencerLock]);
        });
        ended.catch(reject);
      }),
  };
}

async function lockWithin(session: LockSession): Promise<boolean> {
  for (let waited = 0; ; waited += retryMs) {
    const [row] = await session.query<{ held: boolean }>("select pg_try_advisory_lock($1) as held", [
      sequencerLock,
    ]);
    if (row?.held === true) return true;
    if (waited >= waitMs) return false;
    await delay(retryMs);
  }
}
