import type { EvaluationDeps } from "@portolan/evaluation";
import {
  type FeatureDeps,
  readTrainingSet,
  startTrainingSet,
  trainingSetInputs,
  trainingSetQueue,
} from "@portolan/features";
import { type Id, type IdKind, isPortolanError, PortolanError, parseId } from "@portolan/kernel";
import type { Elsewhere } from "@portolan/pipelines";
import { promoteVersion, pushVersion, type RegistryDeps, readVersion } from "@portolan/registry";
import type { Champion, ControllerDeps as RetrainingDeps } from "@portolan/retraining";
import {
  type RolloutRouteDeps,
  readRelease,
  readReleases,
  rollBackRelease,
  startRelease,
} from "@portolan/rollout";
import { type Deployed, findDeployed, listDeployed } from "@portolan/serving";
import { readTrainingRun, startTrainingRun, type TrainingDeps, trainingQueue } from "@portolan/training";
import type { Foundation } from "./foundation.ts";
import { cancelJobOf } from "./keyed-jobs.ts";
import { versionJudges } from "./version-judges.ts";

/** The domains whose work is begun by other domains' stages and steps. */
export interface ElsewhereParts {
  readonly registry: RegistryDeps;
  readonly evaluation: EvaluationDeps;
  readonly features: FeatureDeps;
  readonly training: TrainingDeps;
  readonly releases: RolloutRouteDeps;
}

/** What pipelines and retrainings have done elsewhere, by the ways that people take. */
export type MadeElsewhere = Omit<Elsewhere, "releases" | "endpoints"> &
  Pick<RetrainingDeps, "endpoints" | "releases">;

/** Each is the use case of the domain that has it. */
export function madeElsewhere(base: Foundation, parts: ElsewhereParts): MadeElsewhere {
  const { features, training, evaluation, registry, releases } = parts;
  return {
    endpoints: endpointsOf(base),
    sets: {
      inputs: (call, request) => trainingSetInputs(features, call, request),
      start: async (call, id, request) =>
        void (await startTrainingSet(features, call, request, idOf("trainingSet", id))),
      read: (call, id) => ifThere(readTrainingSet(features, call, id), "features.training_set_not_found"),
      cancel: (tx, id) => cancelJobOf(base, tx, { queue: trainingSetQueue, key: id }),
    },
    runs: {
      start: async (call, id, request, priority = 0) =>
        void (await startTrainingRun(training, call, request, { as: idOf("trainingRun", id), priority })),
      read: (call, id) => ifThere(readTrainingRun(training, call, id), "training.run_not_found"),
      cancel: (tx, id) => cancelJobOf(base, tx, { queue: trainingQueue, key: id }),
    },
    judges: versionJudges(base, evaluation),
    versions: versionsOf(registry),
    releases: releasesOf(releases),
  };
}

function endpointsOf({ work }: Foundation): RetrainingDeps["endpoints"] {
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

function versionsOf(registry: RegistryDeps): MadeElsewhere["versions"] {
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

function releasesOf(deps: RolloutRouteDeps): MadeElsewhere["releases"] {
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
