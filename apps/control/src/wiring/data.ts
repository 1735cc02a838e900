import { delimiter, join } from "node:path";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import { type CharterDeps, type InForceCharter, inForceCharter } from "@portolan/charter";
import { assertPlacement, judgePlacement, placementRefused } from "@portolan/charter/policy";
import {
  createAcceptedHistory,
  createRowsAccess,
  type DataDeps,
  eventBatchJob,
  ingestJob,
  type NoticeSender,
  noticeJob,
  offerWaiting,
  type ResidencyCheck,
  runSubscriptions,
  type SubscriberRights,
} from "@portolan/data";
import type { AcceptedPlace } from "@portolan/data/contract";
import type { IntentHandler } from "@portolan/database";
import { createDuckDbEngine } from "@portolan/duckdb";
import {
  EarlyEvents,
  type FeatureDeps,
  followDataset,
  followLogJob,
  materializeJob,
  type OnlineStore,
  trainingSetJob,
} from "@portolan/features";
import { createTopicReader } from "@portolan/kafka";
import {
  type ArtifactCatalogue,
  type CallContext,
  type Environment,
  isPortolanError,
  type JobHandler,
  type Place,
  PortolanError,
  readAddressRules,
} from "@portolan/kernel";
import { requireBudget } from "@portolan/metering";
import { createRelationReader } from "@portolan/postgresql";
import {
  type BaseModels,
  pythonMinors,
  type RunTracking,
  type TrainingDeps,
  trainingJob,
} from "@portolan/training";
import { createWebhookSender } from "../notices/webhook-sender.ts";
import { wireDataAccess } from "./data-access.ts";
import { wireByteRemoval } from "./erasure.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { budgetDeps } from "./metering.ts";
import { openConfiguredStore } from "./online-store.ts";
import { stopTrainerHandler, wireRay } from "./ray.ts";
import { trainingPriceOf } from "./training-price.ts";

export interface DataWiring {
  readonly data: DataDeps;
  readonly features: FeatureDeps;
  readonly training: TrainingDeps;
  readonly residency: ResidencyCheck;
  readonly jobs: readonly JobHandler[];
  /** What the reconciler does. */
  readonly intents: readonly IntentHandler[];
  /** Brings accepted events online before their batch. */
  readonly early: EarlyEvents;
  /** Reads the topics that somebody subscribed to, until it is stopped. */
  readonly runSubscriptions: () => Promise<{ stop(): Promise<void> }>;
  readonly close: () => Promise<void>;
}

/** Long enough for a first environment on a slow line; a trainer that hangs is killed. */
const trainingLimitMs = 60 * 60_000;
const gib = 2 ** 30;
export const trainerLimits: TrainingDeps["limits"] = {
  threads: 2,
  memoryLimitBytes: 8 * gib,
  cpuSeconds: trainingLimitMs / 1000,
  timeoutMs: trainingLimitMs,
  diskLimitBytes: 16 * gib,
};

export async function wireData(
  base: Foundation,
  identity: IdentityWiring,
  charter: CharterDeps,
  artifacts: ArtifactCatalogue,
  tracking: RunTracking,
  { baseModels, admission }: { readonly baseModels: BaseModels; readonly admission: AdmissionQueue },
): Promise<DataWiring> {
  const { work: uow, objects, config } = base;
  const { authorizer } = identity;
  const { places } = identity.directory;
  const home = config.PORTOLAN_HOME;
  const residency = residencyCheck(base, charter);
  const ray = wireRay(base);
  const engine = createDuckDbEngine();
  const workFolder = join(home, "work");
  const online = await openConfiguredStore(base);
  const early = earlyEvents(base, identity, online, () => data);
  const shared = { uow, authorizer, objects, artifacts, places, workFolder };
  const data: DataDeps = {
    ...shared,
    engine,
    residency,
    followDataset,
    sourceFolders: sourceFolders(base),
    clock: base.clock,
    eventWindowMs: config.EVENT_WINDOW_SECONDS * 1000,
    early,
    ...besideThis(base, identity),
  };
  const features: FeatureDeps = { ...data, ...readingData(data), online };
  const charters = trainingCharters(base, charter, residency);
  const training = trainingDeps(base, shared, {
    charters,
    tracking,
    baseModels,
    admission,
    ...(ray ? { ray } : {}),
  });
  return {
    data,
    features,
    training,
    residency,
    jobs: dataJobs(base, { data, features, training }),
    intents: ray ? [stopTrainerHandler(ray)] : [],
    early,
    runSubscriptions: () => runSubscriptions({ ...data, ...readerOf(base, identity, charter) }),
    close: () => online.close(),
  };
}

type SharedDeps = Pick<
  TrainingDeps,
  "uow" | "authorizer" | "objects" | "artifacts" | "places" | "workFolder"
>;

function trainingDeps(
  { config, clock, prices }: Foundation,
  shared: SharedDeps,
  given: Pick<TrainingDeps, "charters" | "tracking" | "baseModels" | "admission" | "ray">,
): TrainingDeps {
  const home = config.PORTOLAN_HOME;
  return {
    ...shared,
    ...given,
    environments: { folder: join(home, "envs"), installEnvironment: config.installEnvironment ?? {} },
    pythons: ["python3", ...pythonMinors.map((minor) => `python${minor}`)],
    limits: trainerLimits,
    coreHour: trainingPriceOf({ clock, prices }),
    preemption: preemptionOf(config),
    clock,
    hidden: [home],
  };
}

function preemptionOf(config: Foundation["config"]): TrainingDeps["preemption"] {
  const { TRAINING_NOTICE_SECONDS: seconds, TRAINING_MOST_PREEMPTIONS: mostPreemptions } = config;
  return { noticeMs: seconds * 1000, mostPreemptions };
}

/** How views read the data that they are made of. */
function readingData(data: DataDeps): Pick<FeatureDeps, "access" | "history"> {
  return { access: createRowsAccess(data), history: createAcceptedHistory(data) };
}

/** Accepted events on their way to the online store; what waits for its batch is `data`'s to offer. */
function earlyEvents(
  base: Foundation,
  identity: IdentityWiring,
  online: OnlineStore,
  data: () => DataDeps,
): EarlyEvents {
  const { work, clock, log } = base;
  const offer = (call: CallContext, place: AcceptedPlace) => offerWaiting(data(), call, place);
  return new EarlyEvents({
    uow: work,
    clock,
    log,
    online,
    offer,
    access: createRowsAccess(wireDataAccess(base, identity)),
  });
}

/** What data needs of the operator and of other domains. */
function besideThis(
  base: Foundation,
  identity: IdentityWiring,
): Pick<DataDeps, "connections" | "roles" | "pseudonyms" | "derived" | "bytes"> {
  const { roles, pseudonyms, derived } = wireDataAccess(base, identity);
  return { ...connectionsOf(base), roles, pseudonyms, derived, bytes: wireByteRemoval(base) };
}

/** Outside dev nothing is stored or trained for a use case without a charter in force. */
async function requireCharter(
  charter: CharterDeps,
  call: CallContext,
  what: { readonly useCaseId?: string; readonly environment: Environment },
): Promise<InForceCharter | undefined> {
  const found =
    what.useCaseId === undefined
      ? undefined
      : await inForceCharter(charter, call, { useCaseId: what.useCaseId });
  if (found || what.environment === "dev") return found;
  throw new PortolanError("charter.not_in_force", {
    detail: `no signed charter is in force for ${what.useCaseId ?? "this work"}`,
    mend: "Name a use case whose charter is signed, or work in the dev environment.",
  });
}

/** A trainer reads the data: it runs only where the charter lets them be. */
function trainingCharters(
  base: Foundation,
  charter: CharterDeps,
  residency: ResidencyCheck,
): TrainingDeps["charters"] {
  const budgets = budgetDeps(base, charter);
  return {
    requireInForce: async (call, { at, ...what }) => {
      await residency.require(call, { ...what, name: "trainer" });
      if (at) await requireSentThere(base, charter, call, what, at);
      return regulationOf(charter, call, what);
    },
    requireBudget: (call, useCaseId) => requireBudget(budgets, call, useCaseId),
  };
}

/** Refuses, with a ledger row, to send data to a cluster that stands where the charter in force does not let them be. */
async function requireSentThere(
  base: Foundation,
  charter: CharterDeps,
  call: CallContext,
  what: { readonly useCaseId?: string; readonly environment: Environment },
  { region, owner }: Place,
): Promise<void> {
  const found = await requireCharter(charter, call, what);
  if (!found) return;
  const { environment } = what;
  const verdict = judgePlacement(found.charter, { name: "ray", kind: "backend", region, owner, environment });
  if (verdict.kind === "allowed") return;
  await base.work.write(call, (tx) =>
    tx.record({
      event: "training.placement.refused",
      subject: what.useCaseId ?? "ray",
      detail: { region, owner, backend: "ray" },
    }),
  );
  throw placementRefused(verdict.refusals);
}

/** Whether what is trained there is regulated. */
async function regulationOf(
  ...of: Parameters<typeof requireCharter>
): Promise<{ readonly regulated: boolean }> {
  const found = await requireCharter(...of);
  return { regulated: (found?.charter.nonNegotiables.regulations.length ?? 0) > 0 };
}

function dataJobs(
  base: Foundation,
  { data, features, training }: Pick<DataWiring, "data" | "features" | "training">,
): JobHandler[] {
  return [
    ingestJob({ ...data, relations: createRelationReader() }),
    eventBatchJob(data),
    noticeJob({ uow: base.work, sender: noticeSender(base) }),
    trainingSetJob(features),
    materializeJob(features),
    followLogJob(features),
    trainingJob(training),
  ];
}

function noticeSender({ config, clock }: Foundation): NoticeSender {
  const { NOTICE_ALLOWED_HOSTS: allowed, NOTICE_SECRET: secret, DEV_ISSUER: development } = config;
  const addresses = readAddressRules(allowed, development);
  return createWebhookSender({ addresses, clock, ...(secret ? { secret } : {}) });
}

/** Why a connection was refused is for the operator alone. */
function connectionsOf({ config, log }: Foundation): Pick<DataDeps, "connections"> {
  const { DATA_CONNECTIONS: path } = config;
  if (path === undefined) return {};
  const onRefused = (connection: string, why: string): void =>
    log.warn({ connection, why }, "data.connection.refused");
  return { connections: { path, onRefused } };
}

function sourceFolders(base: Foundation): string[] {
  const listed = base.config.SOURCE_FOLDERS?.split(delimiter).filter((folder) => folder !== "") ?? [];
  return [join(base.config.PORTOLAN_HOME, "inbox"), ...listed];
}

/** Refuses, with a ledger row, to hold data here that the charter in force keeps elsewhere. */
function residencyCheck(base: Foundation, charter: CharterDeps): ResidencyCheck {
  const { LOCATION_REGION: region, LOCATION_OWNER: owner } = base.config;
  return {
    require: async (call, what) => {
      const found = await requireCharter(charter, call, what);
      if (!found) return;
      try {
        assertHeldHere(base, found, what);
      } catch (error) {
        await base.work.write(call, (tx) =>
          tx.record({
            event: "data.placement.refused",
            subject: what.useCaseId ?? what.name,
            detail: { region, owner, name: what.name },
          }),
        );
        throw error;
      }
    },
  };
}

/** @throws PortolanError where the charter keeps such data elsewhere */
function assertHeldHere(
  { config: { LOCATION_REGION: region, LOCATION_OWNER: owner } }: Foundation,
  { charter }: InForceCharter,
  { name, environment }: { readonly name: string; readonly environment: Environment },
): void {
  assertPlacement(charter, { name, kind: "store", region, owner, environment });
}

/** The same questions, without a record of each answer. */
function subscriberRights(
  base: Foundation,
  { directory }: IdentityWiring,
  charter: CharterDeps,
): SubscriberRights {
  return {
    isActive: (actor) => directory.isActive(actor),
    whyNotHeld: async (call, what) => {
      try {
        const found = await requireCharter(charter, call, what);
        if (found) assertHeldHere(base, found, what);
        return undefined;
      } catch (error) {
        // Only the charter's own answer is one: a database that does not answer is asked again.
        if (!isPortolanError(error) || !error.code.startsWith("charter.")) throw error;
        return error.detail ?? error.code;
      }
    },
  };
}

function readerOf(base: Foundation, identity: IdentityWiring, charter: CharterDeps) {
  const rights = subscriberRights(base, identity, charter);
  return { topics: createTopicReader(), rights, log: base.log };
}
