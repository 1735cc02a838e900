import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { enableCompileCache } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type JobWorker, startJobWorker } from "@portolan/database";
import { createDuckDbEngine } from "@portolan/duckdb";
import {
  type ArtifactCatalogue,
  type CallContext,
  createLogger,
  type Digest,
  type EnvironmentPlace,
  type JobHandler,
  type MigrationSet,
  type ObjectStore,
  type UnitOfWork,
} from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createRelationReader } from "@portolan/postgresql";
import { aCall, namedPlaces, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { compileCache } from "../../../tools/compile-cache.ts";
import { createArtifactCatalogue, createByteRemoval, registryMigrations } from "../../registry/src/index.ts";
import { publishAccessPolicy } from "../src/access/access-policies.ts";
import {
  createRowBytes,
  type DataDeps,
  dataMigrations,
  eventBatchJob,
  ingestJob,
  publishContract,
  startIngestion,
} from "../src/index.ts";
import { readIngestion } from "../src/ingestion/read-ingestion.ts";
import type { IngestionView } from "../src/resources.ts";

// As in the product: children behind walls find their modules compiled, instead of each compiling them anew.
enableCompileCache(compileCache.NODE_COMPILE_CACHE);

const example = (name: string): Promise<string> =>
  readFile(new URL(`../../../examples/flight-delays/${name}`, import.meta.url), "utf8");

export interface DataFixture {
  readonly db: TestDatabase;
  readonly folder: string;
  readonly inbox: string;
  /** Why connections were refused. */
  readonly refusals: readonly string[];
  readonly deps: DataDeps;
  readonly call: CallContext;
  /** Roles that the caller holds, as policies on data ask for them. */
  readonly heldRoles: Set<string>;
  /** Writes a connection of the operator's, for the caller's organisation. */
  connect(name: string, connection: object): Promise<void>;
  /** Publishes the contract of the example, with lines replaced where a test wants them otherwise. */
  publishFlights(edit?: (document: string) => string): Promise<void>;
  /** Ingests one file of the inbox and waits for its end. */
  ingest(
    name: string,
    text: string,
    more?: Partial<Parameters<typeof startIngestion>[2]>,
  ): Promise<IngestionView>;
  settled(id: string): Promise<IngestionView>;
  /** Rows of a stored Parquet object, as the engine gives them. */
  rowsOf(object: string | undefined): Promise<Record<string, unknown>[]>;
  /** The ledger, in its order: what happened, to what, and the whole row as text. */
  ledger(): Promise<{ readonly event: string; readonly subject: string; readonly row: string }[]>;
  /** Starts something and cancels its job, again where it was over before; resolves to the first that was cancelled. */
  startAndCancel<T extends { readonly id: string }>(start: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Database, object store, engine and worker: everything real; `more` adds the handlers of packages above, `followDataset` what they go on with. */
export async function dataFixture(
  migrations: readonly MigrationSet[] = [],
  more: (deps: DataDeps) => readonly JobHandler[] = () => [],
  followDataset?: DataDeps["followDataset"],
): Promise<DataFixture> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-data-"));
  const inbox = join(folder, "inbox");
  await mkdir(inbox);
  const connections = join(folder, "connections");
  await mkdir(connections);
  const refusals: string[] = [];
  const db = await openTestDatabase({ migrations: [dataMigrations, registryMigrations, ...migrations] });
  const authorizer = testAuthorizer({ engineer: ["*"] });
  /** Roles that policies on data ask for. */
  const heldRoles = new Set<string>();
  const objects = await openFolderObjectStore(join(folder, "objects"), db.clock);
  const access = {
    uow: db.uow,
    authorizer,
    clock: db.clock,
    roles: {
      heldAmong: (_: unknown, roles: readonly string[]) =>
        Promise.resolve(roles.filter((role) => heldRoles.has(role))),
    },
    derived: [],
  };
  const deps: DataDeps = {
    ...access,
    artifacts: createArtifactCatalogue({ work: db.uow, authorizer, objects, rows: createRowBytes(access) }),
    bytes: createByteRemoval({ work: db.uow, objects, otherHolders: [] }),
    places: namedPlaces,
    objects,
    engine: createDuckDbEngine(),
    residency: { require: () => Promise.resolve() },
    sourceFolders: [inbox],
    workFolder: join(folder, "work"),
    connections: { path: connections, onRefused: (name, why) => void refusals.push(`${name}: ${why}`) },
    eventWindowMs: 1000,
    pseudonyms: { keyOf: () => Promise.resolve(Buffer.alloc(32, 7)) },
    ...(followDataset ? { followDataset } : {}),
  };
  const call = aCall({ roles: ["engineer"] });
  const worker: JobWorker = await startJobWorker({
    database: db.database,
    uow: db.uow,
    jobs: db.jobs,
    clock: db.clock,
    log: createLogger({ name: "test", level: "silent" }),
    handlers: [ingestJob({ ...deps, relations: createRelationReader() }), eventBatchJob(deps), ...more(deps)],
  });
  const settled = (id: string): Promise<IngestionView> =>
    waitFor(
      () => readIngestion(deps, call, id),
      (found) => ["published", "refused", "failed"].includes(found.state),
    );
  return {
    db,
    folder,
    inbox,
    refusals,
    deps,
    call,
    heldRoles,
    settled,
    rowsOf: async (object = "") => {
      const path = await deps.objects.localPath(object as Digest);
      const { rows } = await deps.engine.run({
        statements: [{ sql: `select * from read_parquet('${path}')`, returns: "rows" }],
        readable: [path],
        workFolder: join(folder, "look"),
      });
      return [...(rows["rows"] ?? [])];
    },
    ledger: async () => {
      const rows = await db.database.session((session) =>
        session.query<{ row: string }>(
          "select convert_from(payload, 'UTF8') as row from ledger.rows order by id",
          [],
        ),
      );
      return rows.map(({ row }) => ({ ...(JSON.parse(row) as { event: string; subject: string }), row }));
    },
    connect: (name, connection) =>
      writeFile(
        join(connections, `${name}.json`),
        JSON.stringify({ organisation: call.actor.organisationId, ...connection }),
      ),
    publishFlights: async (edit = (document) => document) => {
      const references = { "airports.csv": await example("airports.csv") };
      const document = edit(await example("contracts/flights.odcs.yaml"));
      await publishContract(deps, call, "flights", { document, references });
    },
    ingest: async (name, text, options) => {
      const path = join(inbox, name);
      await writeFile(path, text);
      const started = await startIngestion(deps, call, {
        contract: "flights",
        environment: "dev",
        sources: [{ path }],
        ...options,
      });
      return settled(started.id);
    },
    startAndCancel: async (start) => {
      for (;;) {
        const one = await start();
        const [job] = await db.database.session((session) =>
          session.query<{ id: string }>("select id from database.job_runs where key = $1", [one.id]),
        );
        if (await db.uow.write(call, (tx) => db.jobs.cancel(tx, job?.id ?? ""))) return one;
      }
    },
    close: async () => {
      await worker.stop();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Stores bytes and notes that the caller's organisation holds them there, as an upload does. */
export async function hold(
  deps: { readonly uow: UnitOfWork; readonly objects: ObjectStore; readonly artifacts: ArtifactCatalogue },
  call: CallContext,
  at: EnvironmentPlace,
  bytes: Uint8Array,
): Promise<Digest> {
  const digest = await deps.objects.put(bytes);
  await deps.uow.write(call, (tx) => deps.artifacts.note(tx, at, [{ digest, kind: "upload" }]));
  return digest;
}

export async function waitFor<T>(
  read: () => Promise<T>,
  enough: (found: T) => boolean,
  ms = 150_000,
): Promise<T> {
  for (let waited = 0; waited < ms; waited += 40) {
    const found = await read();
    if (enough(found)) return found;
    await delay(40);
  }
  throw new Error(`not settled within ${ms} ms: ${JSON.stringify(await read()).slice(0, 500)}`);
}

/** A day of made-up flights between three airports, one every `everyMinutes`; the same text for the same arguments. */
export function flightsCsv(count: number, everyMinutes = 7): string {
  const airports = ["BOS", "DEN", "LAX"];
  const lines = ["date,delay,distance,origin,destination"];
  for (let i = 0; i < count; i++) {
    const minutes = i * everyMinutes;
    const day = String(1 + Math.floor(minutes / 1440)).padStart(2, "0");
    const clock = [Math.floor(minutes / 60) % 24, minutes % 60].map((part) => String(part).padStart(2, "0"));
    const from = airports[i % 3];
    const to = airports[(i + 1 + (i % 2)) % 3];
    lines.push(
      `2001-01-${day} ${clock.join(":")}:00,${((i * 37) % 90) - 20},${200 + ((i * 113) % 2000)},${from},${to}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Without a policy nobody sees a row. */
export async function allowReading(f: Pick<DataFixture, "deps" | "call">, purpose: string): Promise<void> {
  const document = `kind: AccessPolicy\nname: ${purpose}\neffect: allow\npurposes: [${purpose}]\n`;
  await publishAccessPolicy(f.deps, f.call, purpose, document);
}
