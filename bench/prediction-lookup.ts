/**
 * Measures the lookup of a prediction by its id among 10^8, and what the index costs: `node bench/prediction-lookup.ts [blocks]`
 * (default 1,000,000 blocks of 100 records). The index is synthesised in an embedded PostgreSQL; the records that are read are
 * real, in one archive that all rows name in turn. Asserts nothing.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUnitOfWork, migrate, openDatabase } from "@portolan/database";
import { startEmbeddedPostgres } from "@portolan/database/embedded";
import { asEpochMicros, newId, systemClock } from "@portolan/kernel";
import { createRecorder, ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import {
  acceptBlocks,
  archivePredictions,
  createPredictionsDeps,
  getPrediction,
  predictionsMigrations,
} from "@portolan/predictions";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import { formatPredictionId } from "@portolan/predictions/policy";
import { aCall, testAuthorizer } from "@portolan/testkit";

const blocks = Number(process.argv[2] ?? 1_000_000);
const perBlock = 100;
const perArchive = 1000;
const home = mkdtempSync(join(tmpdir(), "prediction-lookup-"));
const server = await startEmbeddedPostgres({ folder: join(home, "postgres") });
const database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 4 });
await migrate(database, [ledgerMigrations, predictionsMigrations], systemClock);
const organisationId = newId("organisation", systemClock.now());
const writerId = newId("writer", systemClock.now());
const call = aCall({ kind: "service_account", id: "sa_bench", organisationId, roles: ["all"] });
const uow = createUnitOfWork({
  database,
  clock: systemClock,
  recorder: createRecorder(),
  jobs: { enqueue: () => Promise.reject(new Error("no jobs here")) } as never,
});
const deps = createPredictionsDeps(
  {
    uow,
    clock: systemClock,
    authorizer: testAuthorizer({ all: ["predictions:deliver", "predictions:read"] }),
    recordBatch: recordBatchDigest,
  },
  join(home, "accepted"),
);

type Value = string | number;

async function query<T>(text: string, values: readonly Value[] = []): Promise<readonly T[]> {
  return await database.session((session) => session.query<T>(text, [...values]));
}

/** One block of as many records as an archive holds, delivered and archived as ever. */
async function realArchive(): Promise<string> {
  const folder = join(home, "log");
  const writer = await openPredictionWriter({ folder, writerId, clock: systemClock });
  const context = {
    organisationId,
    useCaseId: newId("useCase", systemClock.now()),
    endpoint: "delays",
    environment: "production" as const,
    variant: "champion" as const,
    snapshotVersion: 1,
    costTags: {},
  };
  for (let n = 0; n < perArchive * perBlock; n += 500) {
    const frame = Array.from({ length: 500 }, (_, i) =>
      writer.submit(
        {
          context,
          principal: "sa_bench",
          requestId: `req-${n + i}`,
          receivedAt: asEpochMicros(systemClock.now()),
          latency: { totalMicros: 50 },
          status: { kind: "ok" },
          inputs: {
            mediaType: "application/json",
            bytes: Buffer.from(JSON.stringify(Array.from({ length: 30 }, () => Math.random() * 1000))),
          },
          outputs: { mediaType: "application/json", bytes: Buffer.from(`[${Math.random()}]`) },
        },
        { durability: "buffered" },
      ),
    );
    await frame.at(-1)?.written;
  }
  await writer.close();
  const shipper = createShipper({
    folder,
    deliver: async (bytes) => {
      const verdict = await acceptBlocks(deps, call, Buffer.from(bytes));
      return verdict.kind === "accepted" ? { kind: "accepted" } : { kind: "gap" };
    },
  });
  await shipper.flush();
  await shipper.close();
  await archivePredictions(deps, {
    policy: { fromRows: 1, fromAgeMs: 0, maxRows: perArchive * perBlock, maxBytes: 1e9 },
  });
  const rows = await query<{ file: string; record_count: number }>(
    "select file, record_count from predictions.archives order by record_count desc",
  );
  const [archive] = rows;
  if (!archive) throw new Error("nothing was archived");
  const bytes = statSync(join(home, "accepted", archive.file)).size;
  console.log(
    `${(bytes / archive.record_count).toFixed(0)} bytes per record in the archive of ${archive.record_count}`,
  );
  return archive.file;
}

async function synthesise(file: string): Promise<void> {
  const archives = Math.ceil(blocks / perArchive);
  const root = "ab".repeat(32);
  await query(
    `insert into predictions.archives select 'arc_' || lpad(i::text, 26, '0'), $1, $2, $3::int, 1, 1
    from generate_series(1, $4::int) i`,
    [organisationId, file, perArchive * perBlock, archives],
  );
  await query(
    `insert into predictions.archive_contents select 'arc_' || lpad(i::text, 26, '0'), $1, 'uc_00000000000000000000000000',
    'production', $2::int, i, i from generate_series(1, $3::int) i`,
    [organisationId, perArchive * perBlock, archives],
  );
  await query(
    `insert into predictions.block_parts select $1::text, $2::text, 9, i, $3, $4::int, $1 || '/' || $2 || '/9-' || i || '-abababababababab.blk',
      i, 'arc_' || lpad((i / $5::int + 1)::text, 26, '0'), (i % $5::int) * $4::int from generate_series(0, $6::int - 1) i`,
    [organisationId, writerId, root, perBlock, perArchive, blocks],
  );
  await query(
    `insert into predictions.blocks select $1, 9, i, $2::text, $2::text, $3::int, false, i, i from generate_series(0, $4::int - 1) i`,
    [writerId, root, perBlock, blocks],
  );
  await query(
    `insert into predictions.part_contents select $1, $2, 9, i, 'delays', 'production', '7', 'champion', $3::int, i, i
    from generate_series(0, $4::int - 1) i`,
    [organisationId, writerId, perBlock, blocks],
  );
  await query(
    `insert into predictions.anchors select $1, i, $2, 'led_00000000000000000000000000' from generate_series(0, $3::int - 1) i`,
    [organisationId, `sha256:${root}`, blocks],
  );
  await database.session((session) => session.script("vacuum analyze"));
}

async function sizes(): Promise<void> {
  let total = 0;
  for (const table of ["block_parts", "blocks", "part_contents", "anchors"]) {
    const [row] = await query<{ bytes: number }>(
      "select pg_total_relation_size($1::regclass)::float8 as bytes",
      [`predictions.${table}`],
    );
    const perRow = (row?.bytes ?? 0) / blocks;
    total += perRow;
    console.log(`${table.padEnd(14)} ${perRow.toFixed(0).padStart(5)} bytes per block, with its indices`);
  }
  console.log(
    `${"in all".padEnd(14)} ${total.toFixed(0).padStart(5)} bytes per block: ${(total / perBlock).toFixed(1)} per record at ${perBlock} records`,
  );
}

/** The synthesised rows point at real rows of the archive; the id that lies there is asked for by its place. */
async function lookups(count: number): Promise<void> {
  const real = await query<{ first_row: number; record_count: number }>(
    "select first_row, record_count from predictions.block_parts where epoch < 9",
  );
  const millis: number[] = [];
  let found = 0;
  for (let n = 0; n < count; n++) {
    const block = Math.floor(Math.random() * blocks);
    const row = (block % perArchive) * perBlock + Math.floor(Math.random() * perBlock);
    // The index that the record in this row has in its real block; those that the row's block number 9/… spans are in the same place.
    const part = real.find((one) => row >= one.first_row && row < one.first_row + one.record_count);
    const index = row - (part?.first_row ?? 0);
    const start = performance.now();
    const id = formatPredictionId({ writerId, epoch: 9, block, index });
    const answer = await getPrediction(deps, call, id).catch(() => undefined);
    millis.push(performance.now() - start);
    if (answer) found += 1;
  }
  millis.sort((a, b) => a - b);
  const at = (share: number): string => (millis[Math.floor(count * share)] ?? 0).toFixed(1);
  console.log(
    `${count} lookups by id among ${blocks * perBlock} records, ${found} found: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms`,
  );
}

try {
  const file = await realArchive();
  await synthesise(file);
  await sizes();
  await lookups(20);
  await lookups(300);
} finally {
  await database.close();
  await server.stop();
  rmSync(home, { recursive: true, force: true });
}
