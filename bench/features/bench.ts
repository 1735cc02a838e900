import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AnalysisStatement } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import { pointInTimeStatements } from "../../packages/features/src/log/point-in-time-plan.ts";
import type { ValueView } from "../../packages/features/src/view-model.ts";
import { runCommand } from "../../tools/run-command.ts";
import { mibOf, withPeakBelow } from "../peak-memory.ts";
import { pythonOf } from "../peers/servers.ts";

/**
 * The point-in-time join of entity rows with feature views, from Parquet to Parquet, beside Feast's file store and Polars: the same data, one
 * after the other in every round. Ours includes the start of its walled process; theirs begins after their imports. Needs Python 3 and, for
 * the first run, a package index.
 *
 * Usage: node bench/features/bench.ts [rounds] [entity rows] [records per view] [entities]
 */
const [rounds = 3, rows = 1_000_000, records = 1_000_000, entities = 100_000] = process.argv
  .slice(2, 6)
  .map(Number);
const views = 3;
const ttlDays = 7;
const spanMicros = 30 * 86_400_000_000;
const startMicros = 1_767_225_600_000_000;

const folder = mkdtempSync(join(tmpdir(), "bench-features-"));
const engine = createDuckDbEngine();
const data = join(folder, "data");
const work = join(folder, "work");
const at = (name: string): string => join(data, name);
const answer = join(work, "portolan.parquet");

/** Numbers that look random, and are the same at every run. */
const spread = (what: string, below: number): string => `(hash(${what}) % ${below})::bigint`;
const copy = (select: string, file: string): AnalysisStatement => ({
  sql: `copy (${select}) to '${file}' (format parquet, compression zstd)`,
});

async function makeData(): Promise<void> {
  const entity = (what: string) => `'e' || ${spread(what, entities)}`;
  const moment = (what: string) => `${startMicros} + ${spread(what, spanMicros)}`;
  const ofView = (index: number): AnalysisStatement[] => {
    const own = (what: string) => `range::varchar || '${what}${index}'`;
    return [
      {
        sql: `create table view${index} as select range + 1 as sequence, ${entity(own("k"))} as k0, ${moment(own("t"))} as event, range as v0, ${spread(own("v"), 1000)} as v1 from range(${records})`,
      },
      copy(
        `select sequence, k0, event, event as available, false as tombstone, v0, v1 from view${index} order by sequence`,
        at(`log${index}.parquet`),
      ),
      copy(
        `select k0 as entity_id, make_timestamptz(event) as event_timestamp, make_timestamptz(event) as created, v0 as a${index}, v1 as b${index} from view${index} order by sequence`,
        at(`view${index}.parquet`),
      ),
      { sql: `drop table view${index}` },
    ];
  };
  await engine.run({
    statements: [
      copy(
        `select range as row, ${entity("range::varchar || 'ek'")} as entity_id, make_timestamptz(${moment("range::varchar || 'et'")}) as event_timestamp from range(${rows})`,
        at("entities.parquet"),
      ),
      ...Array.from({ length: views }, (_, index) => ofView(index)).flat(),
    ],
    readable: [],
    workFolder: data,
  });
}

function viewOf(index: number): ValueView {
  const column = { op: "column", name: "v", type: "int" } as const;
  return {
    name: `view${index}`,
    version: 1,
    source: "bench",
    entity: [{ name: "entity_id", column: "entity_id" }],
    eventTime: "event",
    available: column,
    ttlMicros: ttlDays * 86_400_000_000,
    features: [],
    values: [`a${index}`, `b${index}`].map((name) => ({ name, value: column })),
  };
}

interface Outcome {
  readonly seconds: number;
  readonly rows: number;
  readonly peakBytes?: number;
}

async function ours(): Promise<Outcome> {
  const started = performance.now();
  const indices = Array.from({ length: views }, (_, index) => index);
  const { given, peakBytes } = await withPeakBelow(() => joinAll(indices));
  return {
    seconds: (performance.now() - started) / 1000,
    rows: Number(given.rows["rows"]?.[0]?.["rows"]),
    peakBytes,
  };
}

function joinAll(indices: readonly number[]) {
  return engine.run({
    statements: [
      {
        sql: `create table probes as select row as _row, epoch_us(event_timestamp) as _at, entity_id from read_parquet('${at("entities.parquet")}')`,
      },
      ...indices.flatMap((index) =>
        pointInTimeStatements({
          view: viewOf(index),
          records: `read_parquet('${at(`log${index}.parquet`)}')`,
          probes: "probes",
          probeKeys: ["entity_id"],
          into: `w${index}`,
        }),
      ),
      copy(
        `select p.*, ${indices.map((i) => `w${i}.* exclude (_row, _status, _as_of), w${i}._status as status${i}`).join(", ")} from probes as p ${indices.map((i) => `join w${i} on w${i}._row = p._row`).join(" ")}`,
        answer,
      ),
      {
        sql: `select count(*) as rows from read_parquet('${answer}')`,
        returns: "rows",
      },
    ],
    readable: [data],
    workFolder: work,
  });
}

async function peer(name: "feast" | "polars"): Promise<Outcome> {
  const script = fileURLToPath(new URL(`${name}_join.py`, import.meta.url));
  const args = [script, data, String(views), String(ttlDays)];
  const env = { ...process.env, FEAST_USAGE: "False", POLARS_MAX_THREADS: "2" };
  const { exitCode, output } = await runCommand(await pythonOf(name), args, { cwd: data, env });
  const last = output.trim().split("\n").at(-1) ?? "";
  if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}:\n${output.slice(-2000)}`);
  return JSON.parse(last) as Outcome;
}

/** Rows whose values differ from ours, among those that the other kept. */
async function differing(name: string, key: string): Promise<number> {
  const columns = Array.from({ length: views }, (_, i) => [`a${i}`, `b${i}`]).flat();
  const differs = columns.map((column) => `o.${column}::bigint is distinct from t.${column}`).join(" or ");
  const { rows: found } = await engine.run({
    statements: [
      {
        sql: `select count(*) as n from read_parquet('${at(`${name}.parquet`)}') as t join read_parquet('${answer}') as o on o._row = t.${key} where ${differs}`,
        returns: "n",
      },
    ],
    readable: [data],
    workFolder: work,
  });
  return Number(found["n"]?.[0]?.["n"]);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

try {
  for (const one of [data, work]) mkdirSync(one);
  await makeData();
  const took = { portolan: [] as Outcome[], polars: [] as Outcome[], feast: [] as Outcome[] };
  for (let round = 0; round < rounds; round++) {
    took.portolan.push(await ours());
    took.polars.push(await peer("polars"));
    took.feast.push(await peer("feast"));
    const [p, o, f] = [took.portolan, took.polars, took.feast].map((all) => all.at(-1)?.seconds.toFixed(1));
    console.log(`round ${round + 1}: portolan ${p} s, polars ${o} s, feast ${f} s`);
  }
  const ratio = (other: readonly Outcome[]) =>
    median(other.map(({ seconds }, i) => seconds / (took.portolan[i]?.seconds ?? Number.NaN)));
  for (const [name, outcomes] of Object.entries(took)) {
    const [first] = outcomes;
    const memory = first?.peakBytes === undefined ? "" : `, peak ${mibOf(first.peakBytes)}`;
    const beside = name === "portolan" ? "" : `, ${ratio(outcomes).toFixed(2)} × ours`;
    console.log(
      `${name}: median ${median(outcomes.map(({ seconds }) => seconds)).toFixed(2)} s${beside}, ${first?.rows} of ${rows} rows${memory}`,
    );
  }
  console.log(
    `values that differ: polars ${await differing("polars", "row")}, feast ${await differing("feast", "row")}`,
  );
  console.log(
    `${cpus()[0]?.model ?? "?"}, ${cpus().length} processors, load ${loadavg()
      .map((n) => n.toFixed(1))
      .join(" ")}, Node ${process.version}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
