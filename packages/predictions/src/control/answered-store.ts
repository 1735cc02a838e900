import type { Transaction } from "@portolan/kernel";
import { sql } from "kysely";
import type { PredictionHeader } from "../contract.ts";

type AnsweredTable = {
  organisation_id: string;
  use_case_id: string;
  endpoint: string;
  environment: string;
  model_name: string;
  model_version: string;
  variant: string;
  hour: number;
  predictions: number;
};

const keyColumns = [
  "organisation_id",
  "endpoint",
  "environment",
  "use_case_id",
  "model_name",
  "model_version",
  "variant",
  "hour",
] as const;
const hourMicros = 3_600_000_000;

/** Adds the answered predictions of a block to their hours; once, in the transaction that takes the block. */
export async function countAnswered(tx: Transaction, headers: readonly PredictionHeader[]): Promise<void> {
  const rows = answeredByHour(headers);
  for (let at = 0; at < rows.length; at += 500)
    await tx.sql
      .withTables<{ "predictions.answered_hours": AnsweredTable }>()
      .insertInto("predictions.answered_hours")
      .values(rows.slice(at, at + 500))
      .onConflict((conflict) =>
        conflict.columns(keyColumns).doUpdateSet({
          predictions: sql<number>`predictions.answered_hours.predictions + excluded.predictions`,
        }),
      )
      .execute();
}

/** In one order: two blocks at once must not wait for each other's rows. */
function answeredByHour(headers: readonly PredictionHeader[]): AnsweredTable[] {
  const rows = new Map<string, AnsweredTable>();
  for (const { status, replayOf, context, receivedAt } of headers) {
    if (status.kind !== "ok" || replayOf !== undefined) continue;
    const row: AnsweredTable = {
      organisation_id: context.organisationId,
      use_case_id: context.useCaseId,
      endpoint: context.endpoint,
      environment: context.environment,
      model_name: context.model?.name ?? "",
      model_version: context.model?.version ?? "",
      variant: context.variant,
      hour: receivedAt - (receivedAt % hourMicros),
      predictions: 1,
    };
    const key = JSON.stringify(keyColumns.map((column) => row[column]));
    const known = rows.get(key);
    if (known) known.predictions += 1;
    else rows.set(key, row);
  }
  return [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
