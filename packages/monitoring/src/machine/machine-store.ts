import type { Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { MachineMinute } from "./machine-minutes.ts";

/** Adds them to what is counted of a machine: a process that was started anew counts the rest of its minute. */
export async function addMachineMinutes(
  session: Sql,
  machine: string,
  minutes: readonly MachineMinute[],
): Promise<void> {
  for (const { minute, what, counts } of minutes)
    await sql`insert into monitoring.machine_counts as c (machine, minute, what, counts)
      values (${machine}, ${minute}, ${what}, ${`{${counts.join(",")}}`}::bigint[])
      on conflict (machine, minute, what) do update
      set counts = array(select a + b from unnest(c.counts, excluded.counts) with ordinality as cell (a, b, at) order by at)`.execute(
      session,
    );
}

/** Minutes of all machines, the oldest first; the end is exclusive. */
export async function machinesWithin(
  session: Sql,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<
  { readonly machine: string; readonly what: string; readonly start: number; readonly counts: number[] }[]
> {
  const { rows } = await sql<{ machine: string; what: string; minute: number; counts: string }>`
    select machine, what, minute, array_to_string(counts, ',') as counts from monitoring.machine_counts
    where minute >= ${from} and minute < ${to} order by machine, minute`.execute(session);
  return rows.map(({ machine, what, minute, counts }) => ({
    machine,
    what,
    start: Number(minute),
    counts: counts.split(",").map(Number),
  }));
}

/** Forgets what no timeline looks at any more. */
export async function pruneMachines(session: Sql, before: number): Promise<void> {
  await sql`delete from monitoring.machine_counts where minute < ${before}`.execute(session);
}
