import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AnalysisRow } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { check, ended } from "./narrator.ts";
import { upload, type World } from "./world.ts";

// Three million flights of 2001, in the order in which their outcomes would have become known: a history, and what lands later.

/** Local days before this one are history when the demo begins; those from it on land while it runs. */
const historyEnds = "2001-04-10";

export interface IngestionState {
  readonly id: string;
  readonly state: string;
  readonly counts?: { readonly accepted: number; readonly quarantined: number; readonly deadLetters: number };
  readonly rules?: Readonly<Record<string, number>>;
  readonly failures?: readonly string[];
  readonly datasetId?: string;
}

/** A flight that leaves while the demo runs, and what becomes of it. */
export interface Flight {
  readonly origin: string;
  readonly destination: string;
  readonly at: EpochMicros;
  readonly minuteOfDay: number;
  readonly dayOfWeek: number;
  readonly distance: number;
  readonly late: boolean;
}

/** All flights before the replayed days, as an artifact of the use case. */
export function historyFile(world: World): Promise<string> {
  return part(world, `date < '${historyEnds}'`);
}

/** Flights of the replayed days whose outcome became known in (`after`, `until`], as an artifact of the use case. */
export function landedFile(world: World, after: EpochMicros, upTo: EpochMicros): Promise<string> {
  return part(world, `date >= '${historyEnds}' and known_at > ${after} and known_at <= ${upTo}`);
}

/** Flights that leave in [`from`, `to`), in the order of their departure. */
export async function flightsBetween(world: World, from: EpochMicros, to: EpochMicros): Promise<Flight[]> {
  const rows = await query(world, {
    returns: "flights",
    sql: `select origin, destination, departed_at as at, distance, delay > 15 as late,
            hour(date) * 60 + minute(date) as minute_of_day, dayofweek(date) as day_of_week
          from flights where departed_at >= ${from} and departed_at < ${to} order by departed_at, origin, destination limit 1500`,
  });
  return rows.map((row) => ({
    origin: String(row["origin"]),
    destination: String(row["destination"]),
    at: asEpochMicros(Number(row["at"])),
    minuteOfDay: Number(row["minute_of_day"]),
    dayOfWeek: Number(row["day_of_week"]),
    distance: Number(row["distance"]),
    late: row["late"] === true,
  }));
}

/** Ingests artifacts under the flights' contract; resolves once the batch is published. */
export async function ingest(
  world: World,
  sources: readonly { readonly object: string; readonly format: "parquet" | "csv" }[],
): Promise<IngestionState & { readonly datasetId: string }> {
  const { ada } = world.cast.as;
  const started = await ada.json<IngestionState>({
    path: "/v1/ingestions",
    body: { contract: "flights", environment: "production", useCaseId: world.cast.useCaseId, sources },
  });
  const done = await ended(
    () => ada.json<IngestionState>({ path: `/v1/ingestions/${started.id}` }),
    ["published", "refused", "failed", "cancelled"],
  );
  check(done.state === "published", `ingestion ended as ${done.state}: ${done.failures?.join("; ") ?? ""}`);
  return { ...done, datasetId: done.datasetId ?? "" };
}

async function part(world: World, where: string): Promise<string> {
  const file = join(workFolder(world), "part.parquet");
  await query(world, {
    sql: `copy (select date, delay, distance, origin, destination from flights where ${where} order by departed_at, origin, destination, distance, delay) to '${file}' (format parquet, compression zstd)`,
  });
  return upload(world, await readFile(file));
}

function workFolder({ context }: World): string {
  return join(context.home, "work", "demo");
}

/** The source with its instants: when a flight left, and when its outcome was known, as the feature views say. */
async function query(
  world: World,
  statement: { readonly sql: string; readonly returns?: string },
): Promise<readonly AnalysisRow[]> {
  const flights = join(world.context.root, "node_modules/vega-datasets/data/flights-3m.parquet");
  const airports = join(world.folder, "airports.csv");
  await mkdir(workFolder(world), { recursive: true });
  const { rows } = await createDuckDbEngine().run({
    readable: [flights, airports],
    workFolder: workFolder(world),
    statements: [
      {
        sql: `create view flights as select *, departed_at + 1800000000 + distance * 7500000 as known_at from (
          select f.*, epoch_us(timezone(z.time_zone, f.date)) as departed_at from read_parquet('${flights}') as f
          join read_csv('${airports}', header = true, columns = {airport: 'varchar', time_zone: 'varchar'}) as z on z.airport = f.origin)`,
      },
      statement,
    ],
  });
  return rows[statement.returns ?? ""] ?? [];
}
