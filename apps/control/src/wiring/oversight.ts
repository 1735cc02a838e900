import { type CharterDeps, inForceCharter, termsOf } from "@portolan/charter";
import { isPortolanError } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import type { OversightDeps, QueueDeps, Records } from "@portolan/oversight";
import {
  addLabelOfPerson,
  getPrediction,
  joinLabels,
  type PredictionsDeps,
  readBlock,
} from "@portolan/predictions";
import { errorCatalogue } from "../error-catalogue.ts";
import { createPageSessions, type Sessions } from "../http/page-sessions.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export type OversightWiring = OversightDeps & { readonly sessions: Sessions };

/** What people review, and what they say of answers. */
export function wireOversight(
  { work, clock }: Foundation,
  { authorizer, authenticator, onDenied }: IdentityWiring,
  predictions: PredictionsDeps,
): OversightWiring {
  return {
    work,
    clock,
    authorizer,
    records: recordsOf(() => predictions),
    labels: { add: addLabelOfPerson, join: (call) => joinLabels(predictions, call) },
    recordBatch: recordBatchDigest,
    sessions: createPageSessions({ authenticator, authorizer, clock, onDenied }),
    catalogue: errorCatalogue,
  };
}

/** For accepted blocks; what keeps predictions is asked for once it is there. */
export function queueDeps(
  { work }: Foundation,
  charter: CharterDeps,
  predictions: () => PredictionsDeps,
): QueueDeps {
  return {
    work,
    charters: {
      termsFor: async (call, useCaseId) => {
        const found = await inForceCharter(charter, call, { useCaseId });
        if (!found) return undefined;
        const { review, classes } = termsOf(found.charter);
        return review && { review, task: found.charter.model.task, ...(classes ? { classes } : {}) };
      },
    },
    records: recordsOf(predictions),
    recordBatch: recordBatchDigest,
  };
}

function recordsOf(predictions: () => PredictionsDeps): Records {
  return {
    ofBlock: (call, block) => readBlock(predictions(), call, block),
    find: async (call, predictionId) => {
      try {
        return await getPrediction(predictions(), call, predictionId);
      } catch (error) {
        if (isPortolanError(error) && error.code === "kernel.not_found") return undefined;
        throw error;
      }
    },
  };
}
