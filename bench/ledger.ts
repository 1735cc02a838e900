/**
 * Measures the ledger on an embedded PostgreSQL: what a governed row costs a business transaction, and how fast
 * committed rows become signed leaves. Run: `node bench/ledger.ts [rows]` (default 50,000). Asserts nothing.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createJobQueue,
  createUnitOfWork,
  migrate,
  openDatabase,
  prepareJobQueue,
  startEmbeddedPostgres,
} from "@portolan/database";
import {
  type CallContext,
  type Id,
  newId,
  systemActor,
  systemClock,
  type Transaction,
} from "@portolan/kernel";
import { createRecorder, ledgerMigrations, startSequencer, verifyLedger } from "@portolan/ledger";

const rows = Number(process.argv[2] ?? 50_000);
const rowsPerTransaction = 100;
const organisation = "org_00000000000000000000000000" as Id<"organisation">;
const home = await mkdtemp(join(tmpdir(), "portolan-bench-ledger-"));
const server = await startEmbeddedPostgres({ folder: join(home, "postgres") });
const database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 10 });
await migrate(database, [ledgerMigrations], systemClock);
await prepareJobQueue(database);
await database.session((session) =>
  session.script("create table public.bench (id text primary key, n bigint)"),
);

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = {
  id: "sgk_bench",
  purpose: "ledger" as const,
  algorithm: "ed25519" as const,
  publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: systemClock.now(),
};
const keys = {
  current: () => Promise.resolve(key),
  sign: (_id: string, bytes: Uint8Array) => Promise.resolve(new Uint8Array(sign(null, bytes, privateKey))),
  find: () => Promise.resolve(key),
};
const jobs = createJobQueue(database);
const uow = createUnitOfWork({ database, clock: systemClock, recorder: createRecorder(), jobs });
const folder = join(home, "ledger");
const event = {
  event: "bench.row.written",
  subject: "mdl_00000000000000000000000000",
  detail: { stage: "production" },
};

function aBenchCall(): CallContext {
  return { actor: systemActor("bench", organisation), requestId: newId("request", systemClock.now()) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = systemClock.monotonicNanos();
  await work();
  return Number(systemClock.monotonicNanos() - start) / 1e6;
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? Number.NaN;
}

/** Eight clients, each transaction one business insert, with or without its ledger row. */
async function transactions(count: number, work: (tx: Transaction) => Promise<unknown>) {
  const times: number[] = [];
  const client = async (share: number): Promise<void> => {
    for (let i = 0; i < share; i++) times.push(await timed(() => uow.write(aBenchCall(), work)));
  };
  const total = await timed(() => Promise.all(Array.from({ length: 8 }, () => client(count / 8))));
  return {
    perSecond: Math.round((count / total) * 1000),
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  };
}

const insert = (tx: Transaction): Promise<unknown> =>
  tx.sql
    .withTables<{ "public.bench": { id: string; n: number } }>()
    .insertInto("public.bench")
    .values({ id: newId("request", tx.now), n: 1 })
    .execute();
const governed = async (tx: Transaction): Promise<void> => {
  await insert(tx);
  await tx.record(event);
};

const log = (name: string, value: unknown): void => console.log(name, JSON.stringify(value));
try {
  await transactions(400, governed);
  log("business transaction alone", await transactions(4000, insert));
  log("with a governed row", await transactions(4000, governed));
  const sequencer = await startSequencer({ sql: database.sql, clock: systemClock, keys, folder });
  await sequencer.settled();
  log("with a governed row and the sequencer running", await transactions(4000, governed));
  await sequencer.stop();
  const fill = await timed(async () => {
    for (let i = 0; i < rows; i += rowsPerTransaction) {
      await uow.write(aBenchCall(), async (tx) => {
        for (let j = 0; j < rowsPerTransaction; j++) await tx.record(event);
      });
    }
  });
  log("rows inserted per second, one client", Math.round((rows / fill) * 1000));
  const drain = await timed(async () => {
    const again = await startSequencer({ sql: database.sql, clock: systemClock, keys, folder });
    await again.settled();
    await again.stop();
  });
  log(`rows sequenced, fsynced and signed per second (${rows} waiting)`, Math.round((rows / drain) * 1000));
  const authorizer = {
    decide: () => Promise.resolve({ allowed: true as const, policies: [] }),
    require: () => Promise.resolve(),
  };
  let verified = false;
  const verify = await timed(async () => {
    const report = await verifyLedger({ uow, authorizer, keys, clock: systemClock, folder }, aBenchCall());
    verified = report.verified;
  });
  log("rows verified per second", { perSecond: Math.round((rows / verify) * 1000), verified });
} finally {
  await database.close();
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
