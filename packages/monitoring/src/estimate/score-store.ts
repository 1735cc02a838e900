import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { PerformanceKey } from "../performance/performance-store.ts";
import { tables } from "../store.ts";

/** Whose counts, on the cells of which profile. */
export interface CountedVersion extends PerformanceKey {
  readonly organisationId: string;
  readonly endpoint: string;
  readonly profile: string;
}

/** A stretch of event time, epoch microseconds; the end is exclusive. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Counts of neighbouring cells by window: of one column, which is a small part of what was counted. */
export async function columnCounts(
  sql: Sql,
  version: CountedVersion,
  { from, to }: Stretch,
  {
    offset,
    cells,
    windowMicros,
  }: { readonly offset: number; readonly cells: number; readonly windowMicros: number },
): Promise<Map<number, number[]>> {
  const start = raw<number>`(window_start / ${windowMicros}::bigint) * ${windowMicros}::bigint`;
  const rows = await counted(sql, version, { from, to })
    .innerJoinLateral(
      raw<{
        n: number;
        at: number;
      }>`unnest(counts[${offset + 1}::int : ${offset + cells}::int]) with ordinality`.as<"cell">(
        raw`cell (n, at)`,
      ),
      (join) => join.onTrue(),
    )
    .select(({ fn }) => [start.as("start"), "cell.at", fn.sum<number>("cell.n").as("total")])
    .groupBy(["start", "cell.at"])
    .execute();
  const windows = new Map<number, number[]>();
  for (const row of rows) {
    const found = windows.get(Number(row.start)) ?? Array.from({ length: cells }, () => 0);
    found[Number(row.at) - 1] = Number(row.total);
    windows.set(Number(row.start), found);
  }
  return windows;
}

/** Counts of all cells over a stretch. */
export async function allCounts(sql: Sql, version: CountedVersion, stretch: Stretch): Promise<number[]> {
  const rows = await counted(sql, version, stretch)
    .innerJoinLateral(
      raw<{ n: number; at: number }>`unnest(counts) with ordinality`.as<"cell">(raw`cell (n, at)`),
      (join) => join.onTrue(),
    )
    .select(({ fn }) => ["cell.at", fn.sum<number>("cell.n").as("total")])
    .groupBy("cell.at")
    .orderBy("cell.at")
    .execute();
  return rows.map(({ total }) => Number(total));
}

function counted(sql: Sql, version: CountedVersion, { from, to }: Stretch) {
  return tables(sql)
    .selectFrom("monitoring.drift_windows")
    .where("organisation_id", "=", version.organisationId)
    .where("endpoint", "=", version.endpoint)
    .where("environment", "=", version.environment)
    .where("use_case_id", "=", version.useCaseId ?? "")
    .where(raw<string>`variant`, "=", version.variant)
    .where("model", "=", version.model)
    .where(raw<string>`version::text`, "=", version.version)
    .where("profile", "=", version.profile)
    .where("window_start", ">=", from)
    .where("window_start", "<", to);
}
