import { type JobView, listJobs } from "@portolan/database";
import type { Sql, Transaction } from "@portolan/kernel";
import type { Foundation } from "./foundation.ts";

/** The newest job of a queue and a key. */
export async function newestJobOf(
  sql: Sql,
  organisationId: string,
  of: { readonly queue: string; readonly key: string },
): Promise<JobView | undefined> {
  const [newest] = await listJobs(sql, { organisationId, ...of, limit: 1 });
  return newest;
}

/** Tells it to stop, where it is under way. */
export async function cancelJobOf(
  { jobs }: Pick<Foundation, "jobs">,
  tx: Transaction,
  of: { readonly queue: string; readonly key: string },
): Promise<void> {
  const found = await newestJobOf(tx.sql, tx.call.actor.organisationId, of);
  if (found) await jobs.cancel(tx, found.id);
}
