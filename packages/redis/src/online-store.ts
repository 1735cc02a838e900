import type { EarlyValues, OnlineStore } from "@portolan/features/contract";
import { columnsBy } from "@portolan/features/online-columns";
import { messageOf, PortolanError } from "@portolan/kernel";
import { type Connection, openConnection } from "./connect.ts";
import { earlyValues, forgetEarly } from "./early-values.ts";
import { createRead, type RedisReaderOptions } from "./online-reader.ts";
import { countEntities, forgetEntities, textsOf } from "./online-scan.ts";
import type { Writer } from "./online-steps.ts";
import { windowState } from "./online-sweep.ts";
import { foldLog, foldPosition, replace, update } from "./online-writes.ts";
import { type RunScript, scriptRunner } from "./run-script.ts";
import { valueState } from "./value-count.ts";

/** Control is started together with its stores. */
const connectWithinMs = 5000;

export type RedisOnlineStore = OnlineStore & { readonly early: EarlyValues };

/**
 * The online store in Redis or Valkey. A view is a header, and a hash of values that the header names by its generation; readers get both by one
 * script. Writes name the revision that they build on, or hold the token of a generation that nobody reads yet: of two writers one is refused.
 * How much a crash of the server takes is the server's setting (`appendonly`): never the newest position without its records, since writes are kept
 * in their order; a fold goes on from whatever position is left.
 */
export function openRedisOnlineStore(options: RedisReaderOptions): RedisOnlineStore {
  const connection = openConnection(options);
  const run = writerScripts(connection);
  const writes = turns();
  const steps = turns();
  const store: Writer = {
    run,
    inStep: steps.inTurn,
    countFailed: (error) => options.log.warn({ reason: messageOf(error) }, "redis.online.count_failed"),
  };
  const read = createRead(scriptRunner(connection), options);
  return {
    read,
    readColumns: columnsBy(read),
    replace: (header, asOf, rows) => writes.inTurn(() => replace(store, header, asOf, rows)),
    update: (header, asOf, rows) => writes.inTurn(() => update(store, header, asOf, rows)),
    foldPosition: (view) => foldPosition(run, view),
    windowState: (view) => windowState(run, view),
    valueState: (view) => valueState(run, view),
    fold: (header, fold) => writes.inTurn(() => foldLog(store, header, fold)),
    countEntities: (view, named) => countEntities(run, view, named),
    textsOf: (view) => textsOf(run, view),
    // In turn with folds: one that has read an entity's records would write them back.
    forgetEntities: (view, named) =>
      writes.inTurn(async () => {
        await forgetEarly(store, view, named);
        return forgetEntities(run, view, named);
      }),
    // Not in turn: between two steps of a fold an accepted event has its own.
    early: earlyValues(store),
    close: async () => {
      await writes.idle();
      await steps.idle();
      await connection.close();
    },
  };
}

/** One at a time, in the order in which they came. */
function turns() {
  let last: Promise<unknown> = Promise.resolve();
  return {
    inTurn: <T>(work: () => Promise<T>): Promise<T> => {
      const next = last.then(work);
      last = next.catch(() => undefined);
      return next;
    },
    idle: () => last,
  };
}

/** Waits for a connection, and says of every fault of the client's that the store does not answer. */
function writerScripts(connection: Connection): RunScript {
  const run = scriptRunner(connection);
  return async (script, keys, args) => {
    await connection.ready(connectWithinMs);
    try {
      return await run(script, keys, args);
    } catch (error) {
      throw new PortolanError("features.online_unavailable", {
        detail: `The online store does not answer: ${messageOf(error)}`,
        mend: "Start it, or correct its address; the materialisation goes on from where the store is.",
      });
    }
  };
}
