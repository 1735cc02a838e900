import { findInForce, termsOf } from "@portolan/charter";
import { backgroundJob, type ExplainDeps } from "@portolan/evaluation";
import type { JobHandler } from "@portolan/kernel";
import { type PredictionsDeps, readPrediction } from "@portolan/predictions";
import { type RegistryDeps, readVersion } from "@portolan/registry";
import { findFillings } from "@portolan/serving";
import { createChildExplainer } from "../explaining/child-explainer.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { profiledVersion } from "./monitoring.ts";

export interface ExplainingWiring {
  readonly explain: ExplainDeps;
  readonly jobs: readonly JobHandler[];
}

/** Why recorded predictions are what they are: records, versions and deployments seen together. */
export function wireExplaining(
  { work, clock, objects }: Foundation,
  { authorizer }: IdentityWiring,
  registry: RegistryDeps,
  predictions: PredictionsDeps,
): ExplainingWiring {
  const explain: ExplainDeps = {
    work,
    clock,
    authorizer,
    objects,
    artifacts: registry.artifacts,
    versions: {
      find: async (call, model, version) =>
        profiledVersion(await readVersion(registry, call, model, version)),
    },
    predictions: recordsForReaders(predictions),
    deployments: {
      fillings: (call, asked) =>
        work.read(call, (sql) => findFillings(sql, call.actor.organisationId, asked)),
    },
    explainer: createChildExplainer(objects),
    classes: {
      of: (call, useCaseId) =>
        work.read(call, async (sql) => {
          const found = await findInForce(sql, { useCaseId });
          return found && termsOf(found.charter).classes;
        }),
    },
  };
  return { explain, jobs: [backgroundJob(explain)] };
}

/** An explanation says what the model got and what it answered: whoever asks for one reads the record. */
export function recordsForReaders(predictions: PredictionsDeps): ExplainDeps["predictions"] {
  return { get: (call, id) => readPrediction(predictions, call, id) };
}
