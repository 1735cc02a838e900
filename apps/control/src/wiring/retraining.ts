import { type CharterDeps, inForceCharter } from "@portolan/charter";
import { type EvaluationDeps } from "@portolan/evaluation";
import {
  type FeatureDeps,
  findDataset,
  findTrainingSet,
  readTrainingSet,
  startTrainingSet,
} from "@portolan/features";
import {
  type CallContext,
  type Id,
  type IdKind,
  isPortolanError,
  PortolanError,
  parseId,
} from "@portolan/kernel";
import type { DriftRouteDeps, PerformanceDeps } from "@portolan/monitoring";
import { promoteVersion, pushVersion, type RegistryDeps, readVersion } from "@portolan/registry";
import {
  type Champion,
  type ControllerDeps,
  type FoundRecipe,
  RetrainingController,
  type RetrainingRouteDeps,
  type WatchDeps,
  watchEndpoints,
} from "@portolan/retraining";
import {
  type RolloutRouteDeps,
  readRelease,
  readReleases,
  rollBackRelease,
  startRelease,
} from "@portolan/rollout";
import { type Deployed, findDeployed, listDeployed } from "@portolan/serving";
import {
  findRun,
  readTrainingRun,
  startTrainingRun,
  type TrainingDeps,
  trainingQueue,
} from "@portolan/training";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { cancelJobOf } from "./keyed-jobs.ts";
import { retrainingJudges } from "./retraining-judges.ts";
import { permitsOf, retrainingSignals } from "./retraining-signals.ts";

export interface RetrainingWiring {
  readonly retraining: RetrainingRouteDeps;
  /** Moves open retrainings on. */
  readonly steer: () => Promise<void>;
  /** Begins those that are due. */
  readonly watch: () => Promise<void>;
}

/** What retraining is put together from. */
export interface RetrainingParts {
  readonly charter: CharterDeps;
  readonly registry: RegistryDeps;
  readonly evaluation: EvaluationDeps;
  readonly features: FeatureDeps;
  readonly training: TrainingDeps;
  readonly releases: RolloutRouteDeps;
  readonly performance: PerformanceDeps;
  readonly monitoring: DriftRouteDeps;
}

/** Retraining takes the ways that people take: each step is the use case of the domain that has it. */
export function wireRetraining(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  parts: RetrainingParts,
): RetrainingWiring {
  const { work, clock, log } = base;
  const { charter } = parts;
  const shared = {
    work,
    clock,
    log,
    authorizer,
    organisations: () => directory.organisations(),
    endpoints: endpointsOf(base),
    charters: {
      inForce: async (call: CallContext, useCaseId: string) =>
        (await inForceCharter(charter, call, { useCaseId }))?.charter,
    },
    recipes: {
      find: (call: CallContext, model: string, version: number) =>
        recipeOf(base, parts, call, model, version),
    },
    ...madeElsewhere(base, parts),
  };
  const controller = new RetrainingController(shared satisfies ControllerDeps);
  const watching: WatchDeps & RetrainingRouteDeps = {
    ...shared,
    permits: permitsOf(base),
    signals: retrainingSignals(parts, clock),
  };
  return { retraining: watching, steer: () => controller.round(), watch: () => watchEndpoints(watching) };
}

function endpointsOf({ work }: Foundation): ControllerDeps["endpoints"] {
  return {
    find: async (call, environment, name) => {
      const { organisationId } = call.actor;
      const found = await work.read(call, (sql) => findDeployed(sql, organisationId, environment, name));
      return found && championOf(found);
    },
    list: async (call) => {
      const all = await work.read(call, (sql) => listDeployed(sql, call.actor.organisationId));
      return all.map(championOf);
    },
  };
}

function championOf({ name, environment, request, route }: Deployed): Champion {
  const { useCaseId, model, version } = request;
  const { businessUnitId, teamId } = route;
  return { endpoint: name, environment, useCaseId, businessUnitId, teamId, model, version };
}

/** How a version was made, from the records of registry, training and features. */
async function recipeOf(
  { work }: Foundation,
  { registry }: RetrainingParts,
  call: CallContext,
  model: string,
  version: number,
): Promise<FoundRecipe> {
  const { organisationId } = call.actor;
  const found = await readVersion(registry, call, model, version);
  const { trainingRunId, features } = found.lineage;
  const named = `${model}/${version}`;
  if (trainingRunId === undefined)
    return { kind: "missing", because: `${named} was not trained here: there is no run to repeat` };
  const { run, set } = await work.read(call, async (sql) => {
    const one = await findRun(sql, organisationId, trainingRunId);
    return { run: one, set: one && (await findTrainingSet(sql, organisationId, one.request.trainingSetId)) };
  });
  const manifest = set?.manifest;
  if (!run || !set || !manifest)
    return { kind: "missing", because: `the training set of ${named} is not on record any more` };
  const { baseModel } = run.request;
  if (baseModel)
    return {
      kind: "missing",
      because: `${named} was made from ${baseModel.name}/${baseModel.version}, not from rows alone: that version is the one to train again`,
    };
  const { datasetId: _, ...request } = set.request;
  // The views as they were: another version of one is another definition, and its rows judge nobody.
  const views = request.views.map((view, at) => ({ ...view, ...pinnedVersion(manifest.views[at]?.view) }));
  return {
    kind: "found",
    recipe: {
      versionId: found.id,
      artifact: found.artifact,
      registeredAt: found.signedAt,
      set: { ...request, views },
      span: { from: manifest.from, to: manifest.to },
      run: run.request,
      features,
    },
  };
}

/** `name@3` as a request names it. */
function pinnedVersion(reference: string | undefined): { readonly version?: number } {
  const [, version] = /@(\d+)$/.exec(reference ?? "") ?? [];
  return version === undefined ? {} : { version: Number(version) };
}

type Elsewhere = Pick<ControllerDeps, "rows" | "sets" | "runs" | "judges" | "versions" | "releases">;

function madeElsewhere(base: Foundation, parts: RetrainingParts): Elsewhere {
  const { work } = base;
  const { features, training, evaluation } = parts;
  return {
    rows: {
      newest: async (call, of) => {
        const { organisationId } = call.actor;
        const found = await work.read(call, (sql) => findDataset(sql, { organisationId, ...of }));
        if (!found || found.min_event_time === null || found.max_event_time === null) return undefined;
        return { datasetId: found.id, firstEvent: found.min_event_time, lastEvent: found.max_event_time };
      },
    },
    sets: {
      start: async (call, id, request) =>
        void (await startTrainingSet(features, call, request, idOf("trainingSet", id))),
      read: (call, id) => ifThere(readTrainingSet(features, call, id), "features.training_set_not_found"),
    },
    runs: {
      start: async (call, id, request) =>
        void (await startTrainingRun(training, call, request, idOf("trainingRun", id))),
      read: (call, id) => ifThere(readTrainingRun(training, call, id), "training.run_not_found"),
      cancel: (tx, id) => cancelJobOf(base, tx, { queue: trainingQueue, key: id }),
    },
    judges: retrainingJudges({ work, evaluation }),
    versions: versionsOf(parts),
    releases: releasesOf(parts.releases),
  };
}

function idOf<K extends IdKind>(kind: K, text: string): Id<K> {
  const id = parseId(kind, text);
  if (id === undefined)
    throw new PortolanError("kernel.internal", { detail: `${text} is no id of a ${kind}` });
  return id;
}

async function ifThere<T>(reading: Promise<T>, missing: string): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isPortolanError(error) && error.code === missing) return undefined;
    throw error;
  }
}

function versionsOf({ registry }: RetrainingParts): ControllerDeps["versions"] {
  return {
    find: (call, model, version) => readVersion(registry, call, model, version),
    register: (call, { model, useCaseId, environment, artifact, trainingRunId, features }) => {
      const lineage = { origin: "trained", trainingRunId, ...(features ? { features } : {}) } as const;
      return pushVersion(registry, call, { model, useCaseId, environment, artifact, lineage });
    },
    promote: async (call, model, version, to) => {
      const { stages } = await readVersion(registry, call, model, version);
      if (stages.includes(to)) return { kind: "promoted" };
      const verdict = await promoteVersion(registry, call, { model, version, to });
      return verdict.kind === "promoted" ? { kind: "promoted" } : verdict;
    },
  };
}

function releasesOf(deps: RolloutRouteDeps): ControllerDeps["releases"] {
  return {
    start: (call, { endpoint, environment, model }, version, plan) =>
      startRelease(deps, call, endpoint, { environment, model, version, ...(plan ? { plan } : {}) }),
    read: (call, id) => readRelease(deps, call, id),
    find: async (call, { endpoint, environment, model }, version, since) =>
      (await readReleases(deps, call, endpoint)).find(
        ({ candidate, ...one }) =>
          one.environment === environment &&
          candidate.model === model &&
          candidate.version === version &&
          one.startedAt >= since,
      ),
    rollBack: async (call, id, reason) => void (await rollBackRelease(deps, call, id, reason)),
  };
}
