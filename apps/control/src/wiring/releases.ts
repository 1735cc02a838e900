import { type CharterDeps, inForceCharter, termsOf } from "@portolan/charter";
import { isPortolanError } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { getPrediction, type PredictionsDeps } from "@portolan/predictions";
import type {
  Endpoints,
  Predictions,
  ReleaseCharters,
  ReleaseController,
  RolloutRouteDeps,
} from "@portolan/rollout";
import { startReleaseController } from "@portolan/rollout";
import {
  announcedEndOf,
  checkDeployment,
  type DeployDeps,
  deployEndpoint,
  findDeployed,
  publishIntent,
} from "@portolan/serving";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { attestDecision } from "./provenance.ts";
import type { ServingWiring } from "./serving.ts";

export interface ReleasesWiring {
  readonly releases: RolloutRouteDeps;
  /** Begins to move releases on; `onReleases` of the foundation wakes it. */
  readonly startController: () => ReleaseController;
}

/** Releases deploy endpoints by the way that everybody else does. */
export function wireReleases(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  charter: CharterDeps,
  { serving, predictions }: Pick<ServingWiring, "serving" | "predictions">,
): ReleasesWiring {
  const { work, clock, log } = base;
  const endpoints = endpointsOf(base, serving);
  const charters = chartersOf(charter);
  return {
    releases: {
      work,
      authorizer,
      endpoints,
      charters,
      ended: attestDecision("release"),
      wake: () => base.onReleases(),
      publish: (tx) => tx.intend(publishIntent, { organisationId: tx.call.actor.organisationId }),
      predictions: predictionsOf(predictions),
      recordBatch: recordBatchDigest,
    },
    startController: () => {
      const organisations = () => directory.organisations();
      const controller = startReleaseController({
        work,
        clock,
        log,
        endpoints,
        charters,
        ended: attestDecision("release"),
        organisations,
      });
      base.onReleases = () => controller.wake();
      return controller;
    },
  };
}

function chartersOf(charter: CharterDeps): ReleaseCharters {
  return {
    termsFor: async (call, useCaseId) => {
      const found = await inForceCharter(charter, call, { useCaseId });
      if (!found) return undefined;
      const { latencyMsP95, task, classes = [] } = termsOf(found.charter);
      const several = task === "multiclass_classification" ? { several: classes } : {};
      const riskTolerance = found.charter.riskTolerance.level;
      return { latencyMsP95, riskTolerance, ...several, isRanking: task === "ranking" };
    },
  };
}

function predictionsOf(deps: PredictionsDeps): Predictions {
  return {
    find: async (call, predictionId) => {
      try {
        return (await getPrediction(deps, call, predictionId)).header;
      } catch (error) {
        if (isPortolanError(error) && error.code === "kernel.not_found") return undefined;
        throw error;
      }
    },
  };
}

function endpointsOf({ work }: Foundation, serving: DeployDeps): Endpoints {
  return {
    find: async (call, environment, name) => {
      const { organisationId } = call.actor;
      const found = await work.read(call, (sql) => findDeployed(sql, organisationId, environment, name));
      if (!found) return undefined;
      const { deploymentId, snapshotVersion, request, deployedBy, route } = found;
      const { businessUnitId, teamId } = route;
      return { deploymentId, snapshotVersion, request, deployedBy, businessUnitId, teamId };
    },
    endOf: announcedEndOf,
    check: (call, name, request) => checkDeployment(serving, call, name, request),
    deploy: async (call, name, request, insteadOf) =>
      (await deployEndpoint(serving, call, name, request, insteadOf)).deploymentId,
  };
}
