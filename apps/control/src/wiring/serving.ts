import { join } from "node:path";
import { type CharterDeps, inForceCharter, listInForce } from "@portolan/charter";
import { createRowsAccess } from "@portolan/data";
import type { IntentHandler } from "@portolan/database";
import { chooseBlocks, eraseExplanations } from "@portolan/evaluation";
import { findView } from "@portolan/features";
import { onDemandPlanOf, textNamesOf } from "@portolan/features/contract";
import { createDecisionMemory, grantsForSnapshot } from "@portolan/identity";
import { GatewayGrantsPart } from "@portolan/identity/contract";
import {
  asEpochMicros,
  type CallContext,
  type Environment,
  environments,
  type Id,
  messageOf,
  newId,
  PortolanError,
  parseDigest,
  parseDurationMs,
  parseId,
  systemActor,
} from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { countAcceptedBlocks } from "@portolan/metering";
import { countBlockRequests } from "@portolan/monitoring";
import { eraseReviews, expireReviews, queueBlocks } from "@portolan/oversight";
import {
  createPredictionsDeps,
  type DataClasses,
  erasureIntentHandler,
  type PredictionsDeps,
  type RetentionTerms,
} from "@portolan/predictions";
import { findLoadedBytes, findReleaseAttestations, type RegistryDeps, readVersion } from "@portolan/registry";
import type { ModelVersion } from "@portolan/registry/contract";
import { candidateAt, countBlocks, flagsInForce } from "@portolan/rollout";
import {
  type AttestationLookup,
  type CharterInForce,
  createSnapshotPublisher,
  type ProfileLookup,
  type PublicKeys,
  publishIntent,
  type ServingRouteDeps,
  type SnapshotPublisher,
} from "@portolan/serving";
import type { ModelReference } from "@portolan/serving/contract";
import { createComputeJudge } from "./compute-judge.ts";
import { wireDataAccess } from "./data-access.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { chooseDeps } from "./keeping-explanations.ts";
import { tenantsOf } from "./metering.ts";
import { queueDeps } from "./oversight.ts";
import { attestDeployment } from "./provenance.ts";
import { withReadPurposes } from "./read-purposes.ts";

export interface ServingWiring {
  readonly serving: ServingRouteDeps;
  readonly predictions: PredictionsDeps;
  readonly retention: RetentionTerms & DataClasses;
  readonly publisher: SnapshotPublisher;
  readonly intents: readonly IntentHandler[];
  /** Publishes what changed, and signs anew what grew old, for every organisation. */
  readonly refresh: () => Promise<void>;
}

/** A snapshot is signed anew this often when nothing changes, so that its age tells whether control lives. */
const refreshAfterMs = 60_000;

export function wireServing(
  base: Foundation,
  identity: IdentityWiring,
  charter: CharterDeps,
  registry: RegistryDeps,
  profiles: ProfileLookup,
): ServingWiring {
  const { work, clock, objects } = base;
  const { authorizer, directory } = identity;
  const charters = chartersInForce(charter);
  const publisher = wirePublisher(base, identity, charters, profiles);
  const predictions = wirePredictions(base, identity, charter);
  return {
    publisher,
    serving: {
      work,
      authorizer,
      clock,
      objects,
      publisher,
      useCases: { find: (call, useCaseId) => directory.findUseCase(call.actor.organisationId, useCaseId) },
      charters,
      models: {
        find: async (call, model, version) => deployable(await readVersion(registry, call, model, version)),
      },
      views: viewsOf(base),
      location: locationOf(base),
      deployed: attestDeployment,
      releases: { candidateAt },
      compute: createComputeJudge(registry, base),
    },
    predictions,
    retention: {
      predictionsMs: async (call, useCaseId) => {
        const found = await inForceCharter(charter, call, { useCaseId });
        return found && parseDurationMs(found.charter.retention.predictions);
      },
      openUseCases: async (call) => {
        const { organisationId } = call.actor;
        const inForce = await work.read(call, (sql) => listInForce(sql, organisationId));
        return inForce
          .filter(({ document }) => ["public", "internal"].includes(document.data.classification))
          .map(({ summary }) => summary.useCaseId);
      },
    },
    intents: [publishHandler(publisher), erasureIntentHandler(predictions)],
    refresh: async () => {
      for (const organisationId of await directory.organisations()) {
        // One organisation's broken policy must not keep the revocations of the others back.
        await publisher.publish(organisationId).catch((error: unknown) => {
          base.log.error({ organisationId, error: messageOf(error) }, "serving.snapshot.refresh_failed");
        });
      }
    },
  };
}

/** The prediction log as control keeps it, and who else hears of its records. */
function wirePredictions(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  charter: CharterDeps,
): PredictionsDeps {
  const { work, clock, config } = base;
  const tenants = tenantsOf(directory);
  const predictions: PredictionsDeps = createPredictionsDeps(
    {
      uow: work,
      authorizer,
      clock,
      recordBatch: recordBatchDigest,
      onAccepted: async (call, blocks) => {
        const queue = queueDeps(base, charter, () => predictions);
        const { records } = queue;
        await countBlocks({ work, records, wake: () => base.onReleases() }, call, blocks);
        await countBlockRequests(base, call, blocks);
        await countAcceptedBlocks({ work, tenants }, call, blocks);
        await queueBlocks(queue, call, blocks);
        await chooseBlocks(chooseDeps(base, charter), call, blocks);
      },
      onErased: async (tx, ids) => {
        await eraseReviews(tx, ids);
        await eraseExplanations(tx, ids);
      },
      onExpired: async (tx, ids) => {
        await expireReviews(tx, ids);
        await eraseExplanations(tx, ids);
      },
    },
    join(config.PORTOLAN_HOME, "accepted"),
    join(config.PORTOLAN_HOME, "keys", "predictions"),
  );
  return predictions;
}

function viewsOf(base: Foundation): ServingRouteDeps["views"] {
  return {
    onDemand: async (call, view) => {
      const published = await publishedView(base, call, view);
      return published && onDemandPlanOf(published);
    },
    texts: async (call, view) => {
      const published = await publishedView(base, call, view);
      return published ? textNamesOf(published) : [];
    },
  };
}

/** By digest too: a plan over another definition of the view computes nothing, as it finds nothing online. */
async function publishedView(
  { work }: Foundation,
  call: CallContext,
  { name: reference, digest }: { readonly name: string; readonly digest: string },
) {
  const [name = "", version = ""] = reference.split("@");
  if (!/^\d{1,9}$/.test(version)) return undefined;
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) => findView(sql, organisationId, name, Number(version)));
  return found?.digest === digest ? found.body : undefined;
}

function locationOf({ config }: Foundation) {
  return { region: config.LOCATION_REGION, owner: config.LOCATION_OWNER };
}

function chartersInForce(charter: CharterDeps): CharterInForce {
  return {
    inForce: async (call, useCaseId) => {
      const found = await inForceCharter(charter, call, { useCaseId });
      const digest = found && parseDigest(found.digest);
      return found && digest
        ? { id: found.charterId, version: found.version, digest, document: found.charter }
        : undefined;
    },
  };
}

function wirePublisher(
  base: Foundation,
  identity: IdentityWiring,
  charters: CharterInForce,
  profiles: ProfileLookup,
): SnapshotPublisher {
  const decisions = createDecisionMemory();
  const access = createRowsAccess(wireDataAccess(base, identity));
  const { developmentIssuer, issuerKeys } = identity;
  const { work, clock, keys, objects } = base;
  const publicKeys: PublicKeys = { list: (purpose) => keys.list(purpose) };
  return createSnapshotPublisher({
    work,
    clock,
    objects,
    keyRing: keys,
    log: base.log,
    grants: {
      shape: GatewayGrantsPart,
      read: async (organisationId, endpoints) => {
        const call = controlCall(base, organisationId as Id<"organisation">);
        const granted = endpoints.map(({ teamId, views, ...endpoint }) => ({
          ...endpoint,
          hasFeatures: views.length > 0,
          ...(teamId === null ? {} : { teamId }),
        }));
        const all = await grantsForSnapshot(
          { unitOfWork: work, developmentIssuer, issuerKeys, decisions },
          call,
          environments,
          granted,
        );
        return Promise.all(
          all.map(async (found) => {
            const { environment } = found;
            const here = endpoints.filter((one) => one.environment === environment);
            const grants = await withReadPurposes({ uow: work, access }, call, found, here);
            return { environment, grants: JSON.parse(JSON.stringify(grants)) };
          }),
        );
      },
    },
    keys: publicKeys,
    profiles,
    memory: {
      find: (call, versions) =>
        work.read(call, (sql) => findLoadedBytes(sql, call.actor.organisationId, versions)),
    },
    attestations: {
      find: (call, environment, versions) => releaseAttestations(base, call, environment, versions),
    },
    flags: {
      inForce: (call) => work.read(call, (sql) => flagsInForce(sql, call.actor.organisationId)),
    },
    charters,
    location: locationOf(base),
    refreshAfterMs,
  });
}

async function releaseAttestations(
  { work }: Foundation,
  call: CallContext,
  environment: Environment,
  versions: Parameters<AttestationLookup["find"]>[2],
): ReturnType<AttestationLookup["find"]> {
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) =>
    findReleaseAttestations(sql, organisationId, environment, versions),
  );
  return new Map(
    [...found].map(([version, views]) => [
      version,
      views.map(({ digest, signedAt }) => ({ digest, signedAt })),
    ]),
  );
}

/** A registered version as routes name it. */
export function deployable(version: ModelVersion) {
  const digest = parseDigest(version.artifact);
  const bundle = parseDigest(version.bundle);
  if (!digest || !bundle)
    throw new PortolanError("kernel.internal", { detail: `version ${version.id} has no artifact` });
  return {
    useCaseId: version.useCaseId,
    stages: version.stages,
    reference: {
      name: version.model,
      version: version.version,
      digest,
      sizeBytes: version.sizeBytes,
      bundle: { digest: bundle, signedAt: asEpochMicros(version.signedAt) },
      signature: version.signature,
      origin: version.lineage.origin,
      ...placeOfUpstream(version),
      ...(version.lineage.prompt === undefined ? {} : { prompt: version.lineage.prompt }),
    },
  };
}

/** What is judged of a version that another server runs; the rest of its description travels as its bytes. */
function placeOfUpstream({ lineage: { upstream } }: ModelVersion): Pick<ModelReference, "upstream"> {
  if (!upstream) return {};
  const { protocol, region, owner, environments: named } = upstream;
  return { upstream: { protocol, region, owner, environments: named ?? [...environments] } };
}

function publishHandler(publisher: SnapshotPublisher): IntentHandler {
  return {
    kind: publishIntent,
    perform: async (intent) => {
      const named = intent.payload["organisationId"];
      const organisationId = typeof named === "string" ? parseId("organisation", named) : undefined;
      if (!organisationId)
        throw new PortolanError("kernel.internal", { detail: "a snapshot intent names no organisation" });
      return publisher.publish(organisationId);
    },
  };
}

function controlCall(base: Foundation, organisationId: Id<"organisation">): CallContext {
  return { actor: systemActor("control", organisationId), requestId: newId("request", base.clock.now()) };
}
