import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { readContract } from "@portolan/data/policy";
import { createDuckDbEngine } from "@portolan/duckdb";
import { judgeFiles } from "../../packages/data/src/judging/judge-files.ts";
import { pointInTimeStatements } from "../../packages/features/src/log/point-in-time-plan.ts";
import type { ValueView } from "../../packages/features/src/view-model.ts";
import { mibOf, withPeakBelow } from "../peak-memory.ts";

/**
 * A snapshot (a Parquet file that is split by its contract, and written in the order of its events) and a point-in-time join, each of ten times the
 * memory that the engine may take: whether they end, what they take, and how much memory their process had at most (its resident set, as the
 * kernel counted it: Node.js and the engine's code are in it). A CSV file asks for 512 MiB beside: a row of 32 MiB has to fit.
 *
 * Usage: node bench/features/small-memory.ts [limit in MiB] [times the limit]
 */
const [limitMib = 64, times = 10] = process.argv.slice(2, 4).map(Number);
const mib = 2 ** 20;
const wanted = limitMib * mib * times;
const spanMicros = 30 * 86_400_000_000;
const startMicros = 1_767_225_600_000_000;
const folder = mkdtempSync(join(tmpdir(), "bench-small-memory-"));
const inFolder = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};
const plenty = createDuckDbEngine();
const small = createDuckDbEngine({ memoryLimitBytes: limitMib * mib, threads: 1 });

const contract = readContract(
  `apiVersion: v3.1.0
kind: DataContract
id: readings
version: 1.0.0
status: active
schema:
  - name: readings
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: id, logicalType: integer, required: true }
      - { name: at, logicalType: timestamp, required: true }
      - { name: device, logicalType: string, required: true, logicalTypeOptions: { pattern: "^d[0-9]+$" } }
      - { name: value, logicalType: number, logicalTypeOptions: { minimum: 0 } }
      - { name: note, logicalType: string }
`,
  "readings.odcs.yaml",
);

async function measured(what: string, work: () => Promise<string>): Promise<void> {
  const began = performance.now();
  const { given, peakBytes } = await withPeakBelow(work);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${what}: ${given}, ${seconds} s, at most ${mibOf(peakBytes)} resident`);
}

async function snapshot(): Promise<void> {
  const made = inFolder("made");
  const source = join(made, "readings.parquet");
  // Some seventy bytes a row, in no order.
  const rows = Math.ceil(wanted / 75);
  const line = `range as id, make_timestamptz(${startMicros} + (hash(range) % ${spanMicros})::bigint) as at, 'd' || (hash(range + 1) % 100000) as device,
    (hash(range + 2) % 100000) / 100.0 as value, md5(range::varchar) || ' ' || left(md5((range + 3)::varchar), 8) as note`;
  await plenty.run({
    statements: [
      {
        sql: `copy (select ${line} from range(${rows})) to '${source}' (format parquet, compression uncompressed)`,
      },
    ],
    readable: [],
    workFolder: made,
  });
  const size = statSync(source).size;
  if (size < wanted) throw new Error(`the file has ${size} bytes of ${wanted}`);
  await measured(`snapshot of ${Math.round(size / mib)} MiB of Parquet, ${rows} rows`, async () => {
    const figures = await judgeFiles(small, {
      contract,
      sources: [{ path: source, format: "parquet" }],
      references: {},
      asOf: startMicros + spanMicros,
      folder: inFolder("split"),
    });
    if (figures.accepted !== rows) throw new Error(`${figures.accepted} of ${rows} rows were accepted`);
    return `${figures.accepted} accepted`;
  });
  rmSync(made, { recursive: true });
}

async function makeLog(): Promise<{
  readonly log: string;
  readonly entities: string;
  readonly count: number;
}> {
  const made = inFolder("logs");
  const [log, entities] = [join(made, "log.parquet"), join(made, "entities.parquet")];
  // A record has seven words, an entity row three and its key; the keys are of thirty-four bytes.
  const count = Math.ceil(wanted / (90 + 58));
  const key = (what: string) => `md5((hash(${what}) % 100000)::varchar) || 'xx'`;
  const moment = (what: string) => `${startMicros} + (hash(${what}) % ${spanMicros})::bigint`;
  await plenty.run({
    statements: [
      {
        sql: `copy (select range + 1 as sequence, ${key("range")} as k0, ${moment("range + 1")} as event, ${moment("range + 1")} as available, false as tombstone,
          (hash(range + 2) % 1000000007)::bigint as v0, (hash(range + 3) % 1000)::bigint as v1 from range(${count})) to '${log}' (format parquet)`,
      },
      {
        sql: `copy (select range as _row, ${key("range + 7")} as entity_id, ${moment("range + 8")} as _at from range(${count})) to '${entities}' (format parquet)`,
      },
    ],
    readable: [],
    workFolder: made,
  });
  return { log, entities, count };
}

async function joining(): Promise<void> {
  const { log, entities, count } = await makeLog();
  const column = { op: "column", name: "v", type: "int" } as const;
  const view: ValueView = {
    name: "readings",
    version: 1,
    source: "bench",
    entity: [{ name: "entity_id", column: "entity_id" }],
    eventTime: "event",
    available: column,
    ttlMicros: 7 * 86_400_000_000,
    features: [],
    values: ["a", "b"].map((name) => ({ name, value: column })),
  };
  const work = inFolder("join");
  await measured(
    `point-in-time join of ${count} rows with ${count} records, ${Math.round((count * 148) / mib)} MiB decoded`,
    async () => {
      const { rows } = await small.run({
        statements: [
          { sql: `create table probes as select * from read_parquet('${entities}')` },
          ...pointInTimeStatements({
            view,
            records: `read_parquet('${log}')`,
            probes: "probes",
            probeKeys: ["entity_id"],
            into: "w0",
          }),
          {
            sql: `copy (select p.*, w0.* exclude (_row) from probes as p join w0 on w0._row = p._row) to '${join(work, "set.parquet")}' (format parquet, compression zstd)`,
          },
          {
            sql: `select count(*) as rows from read_parquet('${join(work, "set.parquet")}')`,
            returns: "rows",
          },
        ],
        readable: [log, entities],
        workFolder: work,
      });
      const found = Number(rows["rows"]?.[0]?.["rows"]);
      if (found !== count) throw new Error(`${found} of ${count} rows`);
      return `${found} rows`;
    },
  );
}

try {
  console.log(
    `limit ${limitMib} MiB, one thread; ${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? "?"}`,
  );
  await snapshot();
  await joining();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
