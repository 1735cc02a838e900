import type { Sql } from "@portolan/kernel";
import {
  type FactsOf,
  newestShown,
  oldestShown,
  type RecordedFact,
  readFacts,
} from "@portolan/recorded-facts";
import { sql } from "kysely";

/** The first and the latest hour in which predictions of a use case were recorded, by endpoint, and outcomes that still count. */
export async function predictionFacts(
  session: Sql,
  of: FactsOf,
): Promise<Readonly<Record<"answers" | "outcomes", RecordedFact[]>>> {
  const own = sql`organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}`;
  // From both ends of an index: there may be millions of them.
  const counting = sql`select prediction_id, reported_at from predictions.outcomes as o
    where ${own} and environment = e.name and not retracted and not exists (
      select from predictions.outcomes as l where l.organisation_id = o.organisation_id and l.prediction_id = o.prediction_id
        and l.reach = o.reach and l.revision > o.revision and l.retracted)`;
  return {
    answers: await readFacts(
      session,
      of,
      sql`select endpoint, h.at, environment, total || ' predictions', '/v1/predictions?endpoint=' || endpoint
        from (select endpoint, environment, sum(predictions) as total, array[min(hour), max(hour)] as hours
          from predictions.answered_hours where ${own} group by 1, 2) as a,
          lateral (select distinct unnest(a.hours)) as h (at)`,
    ),
    outcomes: await readFacts(
      session,
      of,
      sql`select o.prediction_id, o.reported_at, e.name, null::text, '/v1/predictions/' || o.prediction_id
        from unnest(${`{${of.environments.join(",")}}`}::text[]) as e (name),
          lateral ((${counting} order by reported_at desc, prediction_id desc limit ${newestShown}) union (${counting} order by reported_at, prediction_id limit ${oldestShown})) as o`,
    ),
  };
}
