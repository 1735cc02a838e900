/**
 * A process that writes ledger rows and sequences them until it is killed, by itself after a named step or by
 * whoever started it. Prints each acknowledged row id. Arguments: database URL, home folder, step or `none`,
 * which occurrence of the step kills.
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createJobQueue, createUnitOfWork, openDatabase } from "@portolan/database";
import {
  asEpochMicros,
  type Id,
  type KeyRing,
  newId,
  type SigningKey,
  systemActor,
  systemClock,
} from "@portolan/kernel";
import { advisorySequencerLock, createRecorder, startSequencer } from "@portolan/ledger";

const [url = "", home = "", step = "none", occurrence = "1"] = process.argv.slice(2);
const organisation = "org_00000000000000000000000000" as Id<"organisation">;
const secret = createPrivateKey(readFileSync(join(home, "ledger.pem"), "utf8"));
const key: SigningKey = {
  id: "sgk_chaos",
  purpose: "ledger",
  algorithm: "ed25519",
  publicKeyPem: createPublicKey(secret).export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
const keys: KeyRing = {
  current: () => Promise.resolve(key),
  sign: (_id, bytes) => Promise.resolve(sign(null, bytes, secret)),
  find: (id) => Promise.resolve(id === key.id ? key : undefined),
};

const database = await openDatabase({ kind: "postgres", url, maxConnections: 6 });
const uow = createUnitOfWork({
  database,
  clock: systemClock,
  recorder: createRecorder(),
  jobs: createJobQueue(database),
});
let seen = 0;
const sequencer = await startSequencer({
  sql: database.sql,
  clock: systemClock,
  keys,
  folder: join(home, "ledger"),
  lingerMs: 5,
  lock: advisorySequencerLock((work) => database.session(work)),
  observe: (reached) => {
    if (reached !== step) return;
    seen += 1;
    if (seen === Number(occurrence)) process.kill(process.pid, "SIGKILL");
  },
});
process.stdout.write("started\n");

const writer = async (name: number): Promise<void> => {
  for (let i = 0; ; i++) {
    const call = {
      actor: systemActor("chaos", organisation),
      requestId: newId("request", systemClock.now()),
    };
    const id = await uow.write(call, (tx) =>
      tx.record({ event: "chaos.row.written", subject: `${process.pid}/${name}/${i}` }),
    );
    process.stdout.write(`${id}\n`);
    sequencer.wake();
  }
};
await Promise.all([writer(0), writer(1), writer(2)]);
