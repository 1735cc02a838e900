import { findInForce, termsOf } from "@portolan/charter";
import type { Sql } from "@portolan/kernel";
import type { PerformanceDeps } from "@portolan/monitoring";
import { type PredictionsDeps, readColumn } from "@portolan/predictions";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

/** What outcomes say of predictions, held against the charter in force. */
export function wirePerformance(
  { work, clock, objects }: Foundation,
  { authorizer }: IdentityWiring,
  predictions: PredictionsDeps,
): PerformanceDeps {
  return {
    work,
    authorizer,
    clock,
    objects,
    bounds: { find: accuracyInForce },
    columns: { read: (call, ids, column, place) => readColumn(predictions, call, ids, column, place) },
  };
}

async function accuracyInForce(sql: Sql, useCaseId: string) {
  const found = await findInForce(sql, { useCaseId });
  if (!found) return undefined;
  const { accuracy, task, classes } = termsOf(found.charter);
  if (task !== "multiclass_classification") return accuracy;
  return { ...accuracy, several: classes ? { names: [...classes] } : {} };
}
