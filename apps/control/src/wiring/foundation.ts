import { join } from "node:path";
import { adviceMigrations } from "@portolan/advice";
import { capacityMigrations } from "@portolan/capacity";
import { charterMigrations } from "@portolan/charter";
import { dataMigrations } from "@portolan/data";
import {
  createJobQueue,
  createUnitOfWork,
  type Database,
  databaseMigrations,
  type JobQueue,
  migrate,
  openDatabase,
} from "@portolan/database";
import { evaluationMigrations } from "@portolan/evaluation";
import { featuresMigrations } from "@portolan/features";
import { createFileKeyRing, identityMigrations, type ManagedKeyRing } from "@portolan/identity";
import { type Clock, type Logger, type ObjectStore, Secret, type UnitOfWork } from "@portolan/kernel";
import {
  advisorySequencerLock,
  createRecorder,
  ledgerMigrations,
  type Sequencer,
  startSequencer,
} from "@portolan/ledger";
import { lineageMigrations } from "@portolan/lineage";
import { meteringMigrations } from "@portolan/metering";
import { monitoringMigrations } from "@portolan/monitoring";
import { openFolderObjectStore } from "@portolan/objectstore";
import { oversightMigrations } from "@portolan/oversight";
import { pipelineMigrations } from "@portolan/pipelines";
import { type PriceBook, plannerMigrations } from "@portolan/planner";
import { predictionsMigrations } from "@portolan/predictions";
import { registryMigrations } from "@portolan/registry";
import { retrainingMigrations } from "@portolan/retraining";
import { rolloutMigrations } from "@portolan/rollout";
import { scoringMigrations } from "@portolan/scoring";
import { servingMigrations } from "@portolan/serving";
import { trackingMigrations } from "@portolan/tracking";
import { trainingMigrations } from "@portolan/training";
import type { ControlSettings } from "../config.ts";
import { closeStateFolder } from "../state-folder.ts";
import { readPrices } from "./prices.ts";

/** What every domain stands on: database, unit of work, jobs, keys and objects. */
export interface Foundation {
  readonly config: ControlSettings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly database: Database;
  readonly jobs: JobQueue;
  readonly work: UnitOfWork;
  readonly keys: ManagedKeyRing;
  readonly objects: ObjectStore;
  readonly prices: PriceBook;
  /** Called after every commit; wakes the ledger's sequencer once that runs. */
  onCommitted: () => void;
  /** Set once the release controller runs; called when there is news of a release. */
  onReleases: () => void;
  /** Set once the reconciler runs; called after every commit that noted an intention. */
  onIntents: () => void;
}

export const migrationSets = [
  databaseMigrations,
  ledgerMigrations,
  identityMigrations,
  charterMigrations,
  plannerMigrations,
  registryMigrations,
  evaluationMigrations,
  servingMigrations,
  predictionsMigrations,
  rolloutMigrations,
  retrainingMigrations,
  pipelineMigrations,
  oversightMigrations,
  dataMigrations,
  featuresMigrations,
  monitoringMigrations,
  scoringMigrations,
  trainingMigrations,
  trackingMigrations,
  lineageMigrations,
  adviceMigrations,
  meteringMigrations,
  capacityMigrations,
];

/** Opens the database, brings its schema up to date and starts the ledger's sequencer. */
export async function openFoundation(
  config: ControlSettings,
  log: Logger,
  clock: Clock,
  onFatal: (error: Error) => void,
): Promise<{ readonly base: Foundation; readonly sequencer: Sequencer }> {
  const home = config.PORTOLAN_HOME;
  await closeStateFolder(home);
  const database = await openDatabase(
    config.DATABASE_URL === undefined
      ? { kind: "pglite", folder: join(home, "pglite") }
      : { kind: "postgres", url: new Secret(config.DATABASE_URL) },
  );
  await migrate(database, migrationSets, clock);
  const base = await layFoundation(config, log, clock, database);
  const sequencer = await startSequencer({
    sql: database.sql,
    clock,
    keys: base.keys,
    folder: join(home, "ledger"),
    log,
    onFailure: onFatal,
    // PGlite's folder lock keeps a second process out, and it has one session only.
    ...(database.kind === "postgres"
      ? { lock: advisorySequencerLock((work) => database.session(work)) }
      : {}),
  });
  base.onCommitted = () => sequencer.wake();
  return { base, sequencer };
}

/** Puts everything on a database that is already open; nothing runs in the background, nothing is asked of it yet. */
export async function layFoundation(
  config: ControlSettings,
  log: Logger,
  clock: Clock,
  database: Database,
): Promise<Foundation> {
  const home = config.PORTOLAN_HOME;
  const jobs = createJobQueue(database);
  const hooks = { committed: () => undefined as void, intents: () => undefined as void };
  const work = wakingAfterWrites(
    createUnitOfWork({ database, clock, recorder: createRecorder(), jobs, onIntents: () => hooks.intents() }),
    () => hooks.committed(),
  );
  return {
    config,
    log,
    clock,
    database,
    jobs,
    work,
    keys: createFileKeyRing({ directory: join(home, "keys"), unitOfWork: work, clock }),
    prices: readPrices(config),
    objects: await openFolderObjectStore(join(home, "objects"), clock),
    set onCommitted(wake: () => void) {
      hooks.committed = wake;
    },
    get onCommitted() {
      return hooks.committed;
    },
    set onIntents(wake: () => void) {
      hooks.intents = wake;
    },
    get onIntents() {
      return hooks.intents;
    },
    onReleases: () => undefined,
  };
}

/** Every commit may have left ledger rows: the sequencer looks at once instead of at its next poll. */
function wakingAfterWrites(inner: UnitOfWork, wake: () => void): UnitOfWork {
  return {
    read: (call, reading) => inner.read(call, reading),
    look: (call, statement) => inner.look(call, statement),
    write: async (call, writing) => {
      const result = await inner.write(call, writing);
      wake();
      return result;
    },
  };
}
