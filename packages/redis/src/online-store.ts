import type { OnlineStore } from "@portolan/features/contract";
import { columnsBy } from "@portolan/features/online-columns";
import { messageOf, PortolanError } from "@portolan/kernel";
import { type Connection, openConnection } from "./connect.ts";
import { createRead, type RedisReaderOptions } from "./online-reader.ts";
import { countEntities, forgetEntities, textsOf } from "./online-scan.ts";
import { windowState } from "./online-sweep.ts";
import { foldLog, foldPosition, replace, update } from "./online-writes.ts";
import { type RunScript, scriptRunner } from "./run-script.ts";

/** Control is started together with its stores. */
const connectWithinMs = 5000;

/**
 * The online store in Redis or Valkey. A view is a header, and a hash of values that the header names by its generation; readers get both by one
 * script. Writes name the revision that they build on, or hold the token of a generation that nobody reads yet: of two writers one is refused.
 * How much a crash of the server takes is the server's setting (`appendonly`): never the newest position without its records, since writes are kept
 * in their order; a fold goes on from whatever position is left.
 */
export function openRedisOnlineStore(options: RedisReaderOptions): OnlineStore {
  const connection = openConnection(options);
  const run = writerScripts(connection);
  let writing: Promise<unknown> = Promise.resolve();
  // One write at a time, in the order in which they came.
  const inTurn = <T>(write: () => Promise<T>): Promise<T> => {
    const next = writing.then(write);
    writing = next.catch(() => undefined);
    return next;
  };
  const read = createRead(scriptRunner(connection), options);
  return {
    read,
    readColumns: columnsBy(read),
    replace: (header, asOf, rows) => inTurn(() => replace(run, header, asOf, rows)),
    update: (header, asOf, rows) => inTurn(() => update(run, header, asOf, rows)),
    foldPosition: (view) => foldPosition(run, view),
    windowState: (view) => windowState(run, view),
    fold: (header, fold) => inTurn(() => foldLog(run, header, fold)),
    countEntities: (view, named) => countEntities(run, view, named),
    textsOf: (view) => textsOf(run, view),
    // In turn with folds: one that has read an entity's records would write them back.
    forgetEntities: (view, named) => inTurn(() => forgetEntities(run, view, named)),
    close: async () => {
      await writing;
      await connection.close();
    },
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
