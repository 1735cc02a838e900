import type { Sql } from "@portolan/kernel";

type TryTable = { run_id: string; try: number; chunk: number; worked_micros: number };

/** One try at a chunk of a run. */
export interface ChunkTry {
  readonly runId: string;
  readonly number: number;
}

const tables = (sql: Sql) => sql.withTables<{ "scoring.tries": TryTable }>();

/** How long tries at chunks that are not kept worked, and the next one. */
export async function openTry(
  sql: Sql,
  { runId, chunk }: { readonly runId: string; readonly chunk: number },
): Promise<{ readonly opened: ChunkTry; readonly earlierMicros: number }> {
  const earlier = await tables(sql)
    .selectFrom("scoring.tries")
    .select(["try", "worked_micros"])
    .where("run_id", "=", runId)
    .execute();
  const number = Math.max(0, ...earlier.map((one) => one.try)) + 1;
  await tables(sql)
    .insertInto("scoring.tries")
    .values({ run_id: runId, try: number, chunk, worked_micros: 0 })
    .execute();
  const earlierMicros = earlier.reduce((sum, one) => sum + one.worked_micros, 0);
  return { opened: { runId, number }, earlierMicros };
}

export async function noteTry(sql: Sql, { runId, number }: ChunkTry, workedMicros: number): Promise<void> {
  await tables(sql)
    .updateTable("scoring.tries")
    .set({ worked_micros: workedMicros })
    .where("run_id", "=", runId)
    .where("try", "=", number)
    .execute();
}

/** Its chunk is kept, with its time. */
export async function endTry(sql: Sql, { runId, number }: ChunkTry): Promise<void> {
  await tables(sql)
    .deleteFrom("scoring.tries")
    .where("run_id", "=", runId)
    .where("try", "=", number)
    .execute();
}
