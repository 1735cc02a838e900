import type { Sql, Transaction } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { sql as raw } from "kysely";
import type { Feedback, FeedbackSummary, LabelValue } from "./contract.ts";
import type { ReviewPlace } from "./review-store.ts";
import { tables } from "./tables.ts";

/** Adds it, or finds the same one. */
export async function insertFeedback(
  { sql, call, now }: Transaction,
  given: {
    readonly id: string;
    readonly header: PredictionHeader;
    readonly feedback: Feedback;
    readonly isLabel: boolean;
    readonly digest: string;
  },
): Promise<{ readonly id: string; readonly isLabel: boolean }> {
  const { id, header, feedback, isLabel, digest } = given;
  const { context } = header;
  const { kind, rating = null, value, comment = null } = feedback;
  await tables(sql)
    .insertInto("oversight.feedback")
    .values({
      id,
      organisation_id: context.organisationId,
      prediction_id: header.id,
      use_case_id: context.useCaseId,
      endpoint: context.endpoint,
      environment: context.environment,
      model_name: context.model?.name ?? "",
      model_version: context.model?.version ?? "",
      kind,
      rating,
      value: value === undefined ? null : raw<LabelValue>`${JSON.stringify(value)}::jsonb`,
      comment,
      given_by: call.actor.id,
      on_behalf_of: call.onBehalfOf ?? null,
      given_at: now,
      is_label: isLabel,
      digest,
    })
    .onConflict((conflict) => conflict.columns(["organisation_id", "prediction_id", "digest"]).doNothing())
    .execute();
  const kept = await tables(sql)
    .selectFrom("oversight.feedback")
    .select(["id", "is_label"])
    .where("organisation_id", "=", context.organisationId)
    .where("prediction_id", "=", header.id)
    .where("digest", "=", digest)
    .executeTakeFirstOrThrow();
  return { id: kept.id, isLabel: kept.is_label };
}

export async function listFeedbackPlaces(
  sql: Sql,
  organisationId: string,
  endpoint: string,
): Promise<ReviewPlace[]> {
  const rows = await tables(sql)
    .selectFrom("oversight.feedback")
    .select(["environment", "use_case_id"])
    .distinct()
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .execute();
  return rows.map(({ environment, use_case_id: useCaseId }) => ({ environment, useCaseId }));
}

export async function summariseFeedback(
  sql: Sql,
  organisationId: string,
  endpoint: string,
  places: readonly ReviewPlace[],
): Promise<FeedbackSummary["versions"]> {
  if (places.length === 0) return [];
  const rows = await tables(sql)
    .selectFrom("oversight.feedback")
    .select([
      "environment",
      "model_name",
      "model_version",
      raw<number>`count(*) filter (where kind = 'rating')::int`.as("ratings"),
      raw<number | null>`avg(rating)::float8`.as("mean"),
      raw<number>`count(*) filter (where kind = 'correction')::int`.as("corrections"),
      raw<number>`count(*) filter (where kind = 'override')::int`.as("overrides"),
    ])
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .where((eb) =>
      eb.or(
        places.map(({ environment, useCaseId }) =>
          eb.and([eb("environment", "=", environment), eb("use_case_id", "=", useCaseId)]),
        ),
      ),
    )
    .groupBy(["environment", "model_name", "model_version"])
    .orderBy("environment")
    .orderBy("model_name")
    .orderBy("model_version")
    .execute();
  return rows.map(({ model_name: model, model_version: version, mean: meanRating, ...counts }) => ({
    ...counts,
    model,
    version,
    meanRating,
  }));
}
