import { join } from "node:path";
import {
  createAcceptedHistory,
  createRowBytes,
  createRowsAccess,
  type DataDeps,
  ingestJob,
} from "@portolan/data";
import { createJobQueue, createUnitOfWork, openDatabase, startJobWorker } from "@portolan/database";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type FeatureDeps, materializeJob, trainingSetJob } from "@portolan/features";
import { createLogger, systemClock } from "@portolan/kernel";
import { createRecorder } from "@portolan/ledger";
import { openOnlineStore } from "@portolan/lmdb";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createRelationReader } from "@portolan/postgresql";
import { createArtifactCatalogue, createByteRemoval } from "@portolan/registry";
import { namedPlaces, testAuthorizer } from "@portolan/testkit";
import { type TrainingDeps, trainingJob } from "@portolan/training";
import { openRunTracking } from "../../packages/training/test/tracking-fixture.ts";
import { installEnvironment, pythonCandidates } from "../../packages/training/test/trainer-fixture.ts";

/** Everything that data, features and training need on one database and one folder. */
export async function dataWorld(url: string, folder: string) {
  const database = await openDatabase({ kind: "postgres", url, maxConnections: 8 });
  const jobs = createJobQueue(database);
  const uow = createUnitOfWork({ database, clock: systemClock, recorder: createRecorder(), jobs });
  const authorizer = testAuthorizer({ engineer: ["*"] });
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const access = {
    uow,
    authorizer,
    clock: systemClock,
    roles: { heldAmong: () => Promise.resolve([]) },
    derived: [],
  };
  const base = {
    uow,
    authorizer,
    artifacts: createArtifactCatalogue({ work: uow, authorizer, objects, rows: createRowBytes(access) }),
    places: namedPlaces,
    objects,
    engine: createDuckDbEngine({ threads: 1 }),
    workFolder: join(folder, "work"),
  };
  const data: DataDeps = {
    ...base,
    ...access,
    bytes: createByteRemoval({ work: uow, objects, otherHolders: [] }),
    residency: { require: () => Promise.resolve() },
    sourceFolders: [join(folder, "inbox")],
    eventWindowMs: 60_000,
    pseudonyms: { keyOf: () => Promise.resolve(new Uint8Array(32)) },
  };
  const training: TrainingDeps = {
    ...base,
    charters: { requireInForce: () => Promise.resolve({ regulated: false }) },
    tracking: openRunTracking({ uow, authorizer, clock: systemClock }),
    baseModels: { find: () => Promise.reject(new Error("no run starts from a model here")) },
    environments: { folder: join(folder, "envs"), installEnvironment },
    pythons: pythonCandidates,
    limits: {
      threads: 1,
      memoryLimitBytes: 2 ** 31,
      cpuSeconds: 60,
      timeoutMs: 60_000,
      diskLimitBytes: 2 ** 30,
    },
    preemption: { noticeMs: 20_000, mostPreemptions: 2 },
    clock: systemClock,
    hidden: [folder],
  };
  return { database, jobs, base, data, training };
}

/** A worker process for the kill loops: `node data-worker.ts <database url> <folder>`. */
async function work(url: string, folder: string): Promise<void> {
  const { database, jobs, base, data, training } = await dataWorld(url, folder);
  const online = openOnlineStore({ folder: join(folder, "online") });
  const features: FeatureDeps = {
    ...data,
    online,
    access: createRowsAccess(data),
    history: createAcceptedHistory(data),
  };
  await startJobWorker({
    database,
    uow: base.uow,
    jobs,
    clock: systemClock,
    log: createLogger({ name: "data-worker", level: "silent" }),
    perQueue: 2,
    handlers: [
      ingestJob({ ...data, relations: createRelationReader() }),
      trainingSetJob(features),
      materializeJob(features),
      trainingJob(training),
    ],
  });
  process.stdout.write("ready\n");
}

const [, program = "", url, folder] = process.argv;
if (program.endsWith("data-worker.ts") && url !== undefined && folder !== undefined) await work(url, folder);
