import type { Sql } from "@portolan/kernel";

/** A halt that nobody has ended yet. */
export interface HaltRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly reason: string;
  readonly halted_at: number;
  readonly halted_by: string;
  /** The alert for which the platform halted it; null: a person did. */
  readonly alert_id: string | null;
}

export type HaltsTable = HaltRow & {
  readonly organisation_id: string;
  readonly resumed_at: number | null;
  readonly resumed_by: string | null;
  readonly resumed_because: string | null;
};

type HaltTables = { "serving.halts": HaltsTable };

function tables(session: Sql) {
  return session.withTables<HaltTables>();
}

export async function findHalt(session: Sql, endpointId: string): Promise<HaltRow | undefined> {
  return tables(session)
    .selectFrom("serving.halts")
    .where("endpoint_id", "=", endpointId)
    .where("resumed_at", "is", null)
    .select(["id", "endpoint_id", "reason", "halted_at", "halted_by", "alert_id"])
    .executeTakeFirst();
}

/** False when somebody else halted it at the same moment. */
export async function saveHalt(
  session: Sql,
  halt: HaltRow & { readonly organisation_id: string },
): Promise<boolean> {
  const saved = await tables(session)
    .insertInto("serving.halts")
    .values({ ...halt, resumed_at: null, resumed_by: null, resumed_because: null })
    .onConflict((conflict) => conflict.column("endpoint_id").where("resumed_at", "is", null).doNothing())
    .returning("id")
    .execute();
  return saved.length > 0;
}

/** False when somebody else ended it at the same moment. */
export async function endHalt(
  session: Sql,
  id: string,
  end: { readonly at: number; readonly by: string; readonly because: string },
): Promise<boolean> {
  const ended = await tables(session)
    .updateTable("serving.halts")
    .set({ resumed_at: end.at, resumed_by: end.by, resumed_because: end.because })
    .where("id", "=", id)
    .where("resumed_at", "is", null)
    .returning("id")
    .execute();
  return ended.length > 0;
}
