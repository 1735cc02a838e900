import { type CharterDeps, inForceCharter } from "@portolan/charter";
import { findDataset, findTrainingSet } from "@portolan/features";
import type { CallContext } from "@portolan/kernel";
import type { DriftRouteDeps, PerformanceDeps } from "@portolan/monitoring";
import { readVersion } from "@portolan/registry";
import {
  type ControllerDeps,
  type FoundRecipe,
  RetrainingController,
  type RetrainingRouteDeps,
  type WatchDeps,
  watchEndpoints,
} from "@portolan/retraining";
import { findRun, startHindrances } from "@portolan/training";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { type ElsewhereParts, madeElsewhere } from "./made-elsewhere.ts";
import { attestDecision } from "./provenance.ts";
import { costsOf, permitsOf } from "./retraining-permits.ts";
import { retrainingSignals } from "./retraining-signals.ts";

export interface RetrainingWiring {
  readonly retraining: RetrainingRouteDeps;
  /** Moves open retrainings on. */
  readonly steer: () => Promise<void>;
  /** Begins those that are due. */
  readonly watch: () => Promise<void>;
}

/** What retraining is put together from. */
export interface RetrainingParts extends ElsewhereParts {
  readonly charter: CharterDeps;
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
    charters: {
      inForce: async (call: CallContext, useCaseId: string) =>
        (await inForceCharter(charter, call, { useCaseId }))?.charter,
    },
    recipes: {
      find: (call: CallContext, model: string, version: number) =>
        recipeOf(base, parts, call, model, version),
    },
    ...madeElsewhere(base, parts),
    rows: newestRows(base),
    ended: attestDecision("retraining"),
  };
  const controller = new RetrainingController(shared satisfies ControllerDeps);
  const watching: WatchDeps & RetrainingRouteDeps = {
    ...shared,
    permits: permitsOf(base, {
      ...shared,
      hindrances: (call, request) => startHindrances(parts.training, call, request),
    }),
    costs: costsOf(base, shared.charters),
    signals: retrainingSignals(parts, clock),
  };
  return { retraining: watching, steer: () => controller.round(), watch: () => watchEndpoints(watching) };
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

function newestRows({ work }: Foundation): ControllerDeps["rows"] {
  return {
    newest: async (call, of) => {
      const { organisationId } = call.actor;
      const found = await work.read(call, (sql) => findDataset(sql, { organisationId, ...of }));
      if (!found || found.min_event_time === null || found.max_event_time === null) return undefined;
      return { datasetId: found.id, firstEvent: found.min_event_time, lastEvent: found.max_event_time };
    },
  };
}
