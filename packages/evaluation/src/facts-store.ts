import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Evaluations of versions that passed all their gates, and what makes their answers explainable. */
export async function evaluationFacts(
  session: Sql,
  of: FactsOf,
  versionIds: readonly string[],
): Promise<Readonly<Record<"passed_evaluation" | "explanation", RecordedFact[]>>> {
  const ids = sql`any(${`{${versionIds.join(",")}}`}::text[])`;
  const passed = sql`jsonb_array_length(gates) > 0 and not gates @> '[{"passed": false}]'`;
  return {
    passed_evaluation: await readFacts(
      session,
      of,
      sql`select id, created_at, null::text, jsonb_array_length(gates) || ' gates passed', '/v1/models/' || model || '/versions/' || version || '/evaluations'
        from evaluation.evaluations where version_id = ${ids} and ${passed}
        union all
        select id, created_at, null::text, jsonb_array_length(gates) || ' gates passed', '/v1/models/' || model || '/versions/' || version || '/text-evaluations'
        from evaluation.text_evaluations where version_id = ${ids} and ${passed}`,
    ),
    explanation: await readFacts(
      session,
      of,
      sql`select model || ' ' || version, created_at, environment, 'explainable', '/v1/models/' || model || '/versions/' || version
        from evaluation.explanation_backgrounds where version_id = ${ids}
        union all
        (select prediction_id, ended_at, environment, 'explained', '/v1/predictions/' || prediction_id || '/explanation'
          from evaluation.kept_explanations
          where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId} and state = 'explained'
          order by ended_at desc limit 5)`,
    ),
  };
}
