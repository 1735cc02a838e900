import { type CallContext, PortolanError, type Sql } from "@portolan/kernel";
import type { ColumnGraph } from "../contract.ts";
import type { LineageErrorCode } from "../errors.ts";
import { findStarts, type Scope } from "../store/find-nodes.ts";
import { type ColumnEdgeRow, type ColumnKey, columnEdgesAt, readFacets, readNames } from "../store/graph.ts";
import { type ReadDeps, visibleAudiences } from "../visible.ts";
import { describeColumns, keyOf } from "./describe-columns.ts";
import { type AskedDirection, directionsOf } from "./directions.ts";
import { requireStarts } from "./require-starts.ts";
import type { Bounds } from "./walk.ts";

export interface ColumnQuestion extends Bounds {
  /** A dataset, all of whose columns are meant, by any of its names; or `datasetField:<namespace>:<name>:<field>`. */
  readonly node: string;
  readonly column?: string;
  readonly direction: AskedDirection;
}

/**
 * What columns come from and what came of them.
 *
 * @throws PortolanError `lineage.node_not_found`
 */
export async function readColumnLineage(
  deps: ReadDeps,
  call: CallContext,
  asked: ColumnQuestion,
): Promise<ColumnGraph> {
  const scope = {
    organisationId: call.actor.organisationId,
    audiences: await visibleAudiences(deps, call),
  };
  return deps.work.read(call, async (sql) => {
    const starts = await startColumns(sql, scope, asked);
    const found = await walkColumns(sql, scope, starts, asked);
    const keys = new Map(starts.map((one) => [keyOf(one), one]));
    for (const { from, to } of found.edges) keys.set(keyOf(from), from).set(keyOf(to), to);
    const names = await readNames(sql, "datasets", [
      ...new Set([...keys.values()].map(({ datasetId }) => datasetId)),
    ]);
    return describeColumns(starts, [...keys.values()], found, new Map(names.map((one) => [one.id, one])));
  });
}

async function startColumns(sql: Sql, scope: Scope, asked: ColumnQuestion): Promise<ColumnKey[]> {
  const [, text] = /^datasetField:(.+)$/su.exec(asked.node) ?? [];
  if (text !== undefined) return fieldNamed(sql, scope, text);
  const starts = await requireStarts(sql, scope, asked.node);
  const datasets = starts.filter(({ kind }) => kind === "dataset").map(({ id }) => id);
  if (asked.column !== undefined) {
    const field = asked.column;
    await requireColumn(sql, scope, datasets, field);
    return datasets.map((datasetId) => ({ datasetId, field }));
  }
  return datasets.map((datasetId) => ({ datasetId, field: null }));
}

/** `<namespace>:<name>:<field>`, each of which may hold colons: the longest dataset that there is. */
async function fieldNamed(sql: Sql, scope: Scope, text: string): Promise<ColumnKey[]> {
  const cuts = [...text.matchAll(/:/g)].map(({ index }) => index).toReversed();
  for (const cut of cuts.slice(0, 20)) {
    const starts = await findStarts(sql, scope, `dataset:${text.slice(0, cut)}`);
    const field = text.slice(cut + 1);
    if (starts.length > 0) return starts.map(({ id }) => ({ datasetId: id, field }));
  }
  await requireStarts(sql, scope, `dataset:${text}`);
  return [];
}

/** @throws PortolanError `lineage.node_not_found` with the columns that there are */
async function requireColumn(
  sql: Sql,
  scope: Scope,
  datasets: readonly number[],
  column: string,
): Promise<void> {
  const facets = await readFacets(sql, scope, ["dataset"], datasets);
  const schemas = facets.filter(({ name }) => name === "schema");
  const columns = schemas.flatMap(({ body }) =>
    Array.isArray(body["fields"]) ? body["fields"].map((one: { readonly name?: unknown }) => one.name) : [],
  );
  // A dataset whose schema nobody stated may have any column.
  if (schemas.length === 0 || columns.includes(column)) return;
  throw new PortolanError<LineageErrorCode>("lineage.node_not_found", {
    detail: `it has no column ${JSON.stringify(column.slice(0, 200))}`,
    mend: `Its columns: ${columns.slice(0, 50).join(", ")}.`,
  });
}

async function walkColumns(sql: Sql, scope: Scope, starts: readonly ColumnKey[], asked: ColumnQuestion) {
  const edges = new Map<string, ColumnEdgeRow>();
  let truncated = false;
  for (const direction of directionsOf(asked.direction)) {
    const seen = new Set(starts.map(keyOf));
    let level = starts;
    for (let depth = 0; level.length > 0; depth++) {
      const found = await columnEdgesAt(sql, scope, level, direction, asked.size + 1);
      if (found.length === 0) break;
      if (depth >= asked.depth || found.length > asked.size) truncated = true;
      if (depth >= asked.depth) break;
      for (const edge of found.slice(0, asked.size)) edges.set(JSON.stringify([edge.from, edge.to]), edge);
      const next = found.map(({ from, to }) => (direction === "upstream" ? from : to));
      level = [...new Map(next.map((one) => [keyOf(one), one])).values()].filter(
        (one) => !seen.has(keyOf(one)),
      );
      for (const one of level) seen.add(keyOf(one));
      if (edges.size >= asked.size) {
        truncated ||= level.length > 0;
        break;
      }
    }
  }
  return { edges: [...edges.values()], truncated };
}
