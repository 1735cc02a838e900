/**
 * Measures the ledger on an embedded PostgreSQL: what a governed row costs a business transaction, and how fast
 * committed rows become signed leaves, and what a verification takes and how long it holds up the thread that asks
 * for it. Run: `node bench/ledger.ts [rows] [checkpoints] [transactions]` (default
 * 50,000, 1,000 and 4,000). Asserts nothing.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createJobQueue, createUnitOfWork, migrate, openDatabase, prepareJobQueue } from "@portolan/database";
import { startEmbeddedPostgres } from "@portolan/database/embedded";
import {
  type CallContext,
  type Id,
  newId,
  systemActor,
  systemClock,
  type Transaction,
} from "@portolan/kernel";
import { createRecorder, ledgerMigrations, startSequencer, verifyLedger } from "@portolan/ledger";
import { checkpointText, ledgerVerifier, originOf, sealRow } from "@portolan/ledger/policy";
import { CompactTree, composeNote } from "@portolan/merkle";

const rows = Number(process.argv[2] ?? 50_000);
const checkpoints = Number(process.argv[3] ?? 1000);
const transactionCount = Number(process.argv[4] ?? 4000);
const rowsPerTransaction = 200;
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

/** Rows as `record` makes them, many to a statement: what is measured afterwards is reading them. */
async function insertInBulk(count: number): Promise<void> {
  await database.session(async (session) => {
    for (let done = 0; done < count; done += 2000) {
      const sealed = Array.from({ length: Math.min(2000, count - done) }, () => {
        const id = newId("ledgerRow", systemClock.now());
        const at = systemClock.now();
        const content = { ...event, actor: { kind: "system", id: "bench" }, requestId: "req_bench" };
        return sealRow({ id, organisation, class: "governed", at }, content, randomBytes(32));
      });
      await session.query(
        `insert into ledger.rows (id, organisation_id, class, at, entry, leaf_hash, salt, payload, event, subject, actor_id, request_id)
         select *, $7, $8, 'bench', 'req_bench' from (select id, $9::text, 'governed', at, entry, leaf_hash, salt, payload
         from unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
         as r(id, at, entry, leaf_hash, salt, payload)) as rows`,
        [
          sealed.map(({ header }) => header.id),
          sealed.map(({ header }) => header.at),
          sealed.map((row) => row.entry),
          sealed.map((row) => row.leafHash),
          sealed.map((row) => row.salt),
          sealed.map((row) => row.payload),
          event.event,
          event.subject,
          organisation,
        ],
      );
    }
  });
}

/** Checkpoints at even distances, as passes of a second each would have left them. */
async function signAlongTheWay(): Promise<void> {
  const verifier = ledgerVerifier(originOf(organisation), key);
  if (verifier === undefined) throw new Error("the key signs no notes");
  await database.session(async (session) => {
    const leaves = await session.query<{ position: number; leaf_hash: Uint8Array; at: number }>(
      "select position, leaf_hash, at from ledger.rows where position is not null order by position",
    );
    const step = Math.max(1, Math.floor(leaves.length / checkpoints));
    const last = Math.max(
      ...(
        await session.query<{ at: number }>("select max(signed_at)::bigint as at from ledger.checkpoints")
      ).map((row) => Number(row.at)),
    );
    await session.query("delete from ledger.checkpoints where size < $1", [leaves.length]);
    const tree = new CompactTree();
    for (const leaf of leaves) {
      tree.append(leaf.leaf_hash);
      if (tree.size % step !== 0 || tree.size === leaves.length) continue;
      const at = (last - (leaves.length - tree.size)) as typeof key.validFrom;
      const text = checkpointText(organisation, tree.size, tree.root(), at);
      const note = composeNote(text, [{ verifier, signature: sign(null, Buffer.from(text), privateKey) }]);
      await session.query(
        "insert into ledger.checkpoints (organisation_id, size, root, signed_at, key_id, note) values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        [organisation, tree.size, tree.root(), at, key.id, note],
      );
    }
  });
}

const log = (name: string, value: unknown): void => console.log(name, JSON.stringify(value));
try {
  await transactions(200, governed);
  log("business transaction alone", await transactions(transactionCount, insert));
  log("with a governed row", await transactions(transactionCount, governed));
  const sequencer = await startSequencer({ sql: database.sql, clock: systemClock, keys, folder });
  await sequencer.settled();
  log("with a governed row and the sequencer running", await transactions(transactionCount, governed));
  await sequencer.stop();
  const inserted = 5000;
  const fill = await timed(async () => {
    for (let i = 0; i < inserted; i += rowsPerTransaction) {
      await uow.write(aBenchCall(), async (tx) => {
        for (let j = 0; j < rowsPerTransaction; j++) await tx.record(event);
      });
    }
  });
  log("rows inserted per second, one client", Math.round((inserted / fill) * 1000));
  await insertInBulk(rows - inserted);
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
  await signAlongTheWay();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let highest = before;
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 20);
  delay.enable();
  const cpu = process.cpuUsage();
  let report: Awaited<ReturnType<typeof verifyLedger>> | undefined;
  const verify = await timed(async () => {
    report = await verifyLedger({ uow, authorizer, keys, clock: systemClock, folder }, aBenchCall());
  });
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  clearInterval(watch);
  log("verification", {
    verified: report?.verified,
    rows: report?.provedRows,
    checkpoints: report?.checkpoints,
    seconds: verify / 1000,
    cpuSeconds: (user + system) / 1e6,
    rowsPerSecond: Math.round((rows / verify) * 1000),
    longestHoldUpMs: Math.round(delay.max / 1e6),
    holdUpP99Ms: Math.round(delay.percentile(99) / 1e6),
    memoryGrowthMiB: Math.round((highest - before) / 2 ** 20),
  });
} finally {
  await database.close();
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
