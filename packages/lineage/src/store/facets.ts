import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { ColumnEdge } from "../openlineage/column-lineage.ts";
import type { EventTime } from "../openlineage/event-time.ts";
import { nodeKey } from "./nodes.ts";

/** What a facet describes; `input` and `output` are facets of a dataset in the part that a run gave it. */
export type FacetOwner = "dataset" | "input" | "output" | "job" | "run";

export interface StatedFacet {
  readonly owner: FacetOwner;
  readonly ownerId: number;
  readonly name: string;
  /** Null: the facet is deleted. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

/** Keeps each facet unless a later event said otherwise; resolves to those that count now. */
export async function keepFacets(
  sql: Sql,
  audienceId: number,
  { micros, nanos }: EventTime,
  stated: readonly StatedFacet[],
): Promise<StatedFacet[]> {
  const key = ({ owner, ownerId, name }: Omit<StatedFacet, "body">) => `${owner} ${ownerId} ${name}`;
  // A dataset may be named twice in one event; one statement cannot set one row twice.
  const last = new Map(stated.map((one) => [key(one), one]));
  const facets = [...last.values()];
  if (facets.length === 0) return [];
  const { rows } = await raw<{ owner: FacetOwner; owner_id: number; name: string }>`
    insert into lineage.facets as f (owner, owner_id, audience_id, name, body, event_at, event_nanos)
    select n.owner, n.owner_id, ${audienceId}, n.name, n.body::jsonb, ${micros}, ${nanos}
    from unnest(${facets.map(({ owner }) => owner)}::text[], ${facets.map(({ ownerId }) => ownerId)}::bigint[],
      ${facets.map(({ name }) => name)}::text[], ${facets.map(({ body }) => body && JSON.stringify(body))}::text[])
      as n(owner, owner_id, name, body)
    on conflict (owner, owner_id, audience_id, name) do update
      set body = excluded.body, event_at = excluded.event_at, event_nanos = excluded.event_nanos
      where (f.event_at, f.event_nanos) <= (excluded.event_at, excluded.event_nanos)
    returning owner, owner_id, name`.execute(sql);
  return rows.flatMap((row) => last.get(key({ ...row, ownerId: row.owner_id })) ?? []);
}

/** Puts these edges in place of those that the audience had of the dataset. */
export async function replaceColumnEdges(
  sql: Sql,
  of: { readonly audienceId: number; readonly datasetId: number },
  edges: readonly ColumnEdge[],
  datasetIds: ReadonlyMap<string, number>,
): Promise<void> {
  const { audienceId, datasetId } = of;
  await raw`delete from lineage.column_edges where audience_id = ${audienceId} and dataset_id = ${datasetId}`.execute(
    sql,
  );
  if (edges.length === 0) return;
  await raw`insert into lineage.column_edges (audience_id, dataset_id, field, from_dataset_id, from_field, transformations)
    select ${audienceId}, ${datasetId}, n.field, n.from_id, n.from_field, n.transformations::jsonb
    from unnest(${edges.map(({ field }) => field ?? null)}::text[], ${edges.map(({ from }) => datasetIds.get(nodeKey(from)) ?? null)}::bigint[],
      ${edges.map(({ from }) => from.field)}::text[], ${edges.map(({ transformations }) => JSON.stringify(transformations))}::text[])
      as n(field, from_id, from_field, transformations)
    where n.from_id is not null`.execute(sql);
}
