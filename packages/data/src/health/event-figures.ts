import type { Sql } from "@portolan/kernel";
import type { Waiting } from "../events/event-store.ts";
import type { SubscriptionState } from "../subscriptions/subscription.ts";

interface Place {
  readonly organisationId: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId: string | null;
}

/** What is on its way in: events that are no batch yet, and topics that are read. */
export interface EventFigures {
  readonly waiting: readonly (Place & Waiting)[];
  readonly topics: readonly (Place & {
    readonly topic: string;
    readonly state: SubscriptionState;
    readonly taken: number;
    readonly deadLetters: number;
    readonly lost: number;
  })[];
}

type Tables = {
  "data.waiting_events": {
    organisation_id: string;
    contract: string;
    environment: string;
    use_case_id: string;
    waiting: number;
    bytes: number;
  };
  "data.subscriptions": {
    organisation_id: string;
    contract: string;
    environment: string;
    use_case_id: string | null;
    topic: string;
    state: SubscriptionState;
    taken: number;
    dead_letters: number;
    lost: number;
    started_at: number;
    stopped_at: number | null;
  };
};

/** @param most places of either kind; the ones with most events, and the newest topics */
export async function eventFigures(sql: Sql, most: number): Promise<EventFigures> {
  const tables = sql.withTables<Tables>();
  const waiting = await tables
    .selectFrom("data.waiting_events")
    .select(["organisation_id", "contract", "environment", "use_case_id"])
    .select(({ fn }) => [
      fn.sum<string | number>("waiting").as("events"),
      fn.sum<string | number>("bytes").as("bytes"),
    ])
    .groupBy(["organisation_id", "contract", "environment", "use_case_id"])
    .orderBy("events", "desc")
    .limit(most)
    .execute();
  const topics = await tables
    .selectFrom("data.subscriptions")
    .selectAll()
    .where("stopped_at", "is", null)
    .orderBy("started_at", "desc")
    .limit(most)
    .execute();
  return {
    waiting: waiting.map((row) => ({
      ...placeOf({ ...row, use_case_id: row.use_case_id === "" ? null : row.use_case_id }),
      events: Number(row.events),
      bytes: Number(row.bytes),
    })),
    topics: topics.map((row) => ({
      ...placeOf(row),
      topic: row.topic,
      state: row.state,
      taken: row.taken,
      deadLetters: row.dead_letters,
      lost: row.lost,
    })),
  };
}

function placeOf(row: {
  readonly organisation_id: string;
  readonly contract: string;
  readonly environment: string;
  readonly use_case_id: string | null;
}): Place {
  return {
    organisationId: row.organisation_id,
    contract: row.contract,
    environment: row.environment,
    useCaseId: row.use_case_id,
  };
}
