import type { CallContext, Sql } from "@portolan/kernel";
import type { LineageGraph, LineageNode } from "../contract.ts";
import type { FacetOwner } from "../store/facets.ts";
import type { Scope, Start } from "../store/find-nodes.ts";
import {
  aliasesOf,
  type FacetRow,
  latestRuns,
  type NamedNode,
  type RunRow,
  readFacets,
  readNames,
} from "../store/graph.ts";
import { type ReadDeps, visibleAudiences } from "../visible.ts";
import { type AskedDirection, directionsOf } from "./directions.ts";
import { requireStarts } from "./require-starts.ts";
import { type Bounds, type Walked, walk } from "./walk.ts";

export interface LineageQuestion extends Bounds {
  /** A node id, or any name or id that `findStarts` knows. */
  readonly node: string;
  readonly direction: AskedDirection;
  /** With what is known of each node. */
  readonly facets: boolean;
}

/**
 * What something comes from and what came of it.
 *
 * @throws PortolanError `lineage.node_not_found`
 */
export async function readLineage(
  deps: ReadDeps,
  call: CallContext,
  asked: LineageQuestion,
): Promise<LineageGraph> {
  const scope = {
    organisationId: call.actor.organisationId,
    audiences: await visibleAudiences(deps, call),
  };
  return deps.work.read(call, async (sql) => {
    const starts = await requireStarts(sql, scope, asked.node);
    const walked = await walk(sql, scope, starts, directionsOf(asked.direction), asked);
    return describe(sql, scope, { starts, walked, facets: asked.facets });
  });
}

interface Found {
  readonly starts: readonly Start[];
  readonly walked: Walked;
  readonly facets: boolean;
}

async function describe(sql: Sql, scope: Scope, { starts, walked, facets }: Found): Promise<LineageGraph> {
  const datasets = await readNames(sql, "datasets", [...walked.datasets]);
  const jobs = await readNames(sql, "jobs", [...walked.jobs]);
  const flows = [...walked.flows.values()];
  const runs = await latestRuns(
    sql,
    flows.map(({ id }) => id),
  );
  const facetsOf = (owners: readonly FacetOwner[], ids: readonly number[]) =>
    facets ? readFacets(sql, scope, owners, ids) : Promise.resolve([]);
  const known = {
    dataset: await facetsOf(
      ["dataset", "input", "output"],
      datasets.map(({ id }) => id),
    ),
    job: await facetsOf(
      ["job"],
      jobs.map(({ id }) => id),
    ),
    run: await facetsOf(
      ["run"],
      runs.map(({ id }) => id),
    ),
  };
  const aliases = await aliasesOf(
    sql,
    scope,
    datasets.map(({ id }) => id),
  );
  const datasetId = new Map(datasets.map((one) => [one.id, nodeId("dataset", one)]));
  const jobId = new Map(jobs.map((one) => [one.id, nodeId("job", one)]));
  const idsOf = (ids: readonly number[]) => ids.flatMap((id) => datasetId.get(id) ?? []);
  const shown = flows.map((flow) => ({
    job: jobId.get(flow.jobId) ?? "",
    inputs: idsOf(flow.inputs),
    outputs: idsOf(flow.outputs),
  }));
  const edges = edgesOf(shown);
  return {
    roots: rootsOf(starts, walked, datasetId, jobId),
    graph: [
      ...datasets.map((one) => datasetNode(one, known.dataset, aliases, edges)),
      ...jobs.map((one) =>
        jobNode(
          one,
          known,
          runs.find((run) => run.jobId === one.id),
          edges,
        ),
      ),
    ],
    flows: shown,
    truncated: walked.truncated,
  };
}

function nodeId(type: "dataset" | "job", { namespace, name }: Pick<NamedNode, "namespace" | "name">): string {
  return `${type}:${namespace}:${name}`;
}

/** A run that was asked for is shown as its job. */
function rootsOf(
  starts: readonly Start[],
  { flows }: Walked,
  datasets: ReadonlyMap<number, string>,
  jobs: ReadonlyMap<number, string>,
): string[] {
  const roots = starts.map(({ kind, id }) => {
    if (kind === "dataset") return datasets.get(id);
    return jobs.get(kind === "job" ? id : (flows.get(id)?.jobId ?? 0));
  });
  return [...new Set(roots.filter((root) => root !== undefined))];
}

interface NodeEdge {
  readonly origin: string;
  readonly destination: string;
}

function edgesOf(flows: LineageGraph["flows"]): NodeEdge[] {
  const all = flows.flatMap(({ job, inputs, outputs }) => [
    ...inputs.map((origin) => ({ origin, destination: job })),
    ...outputs.map((destination) => ({ origin: job, destination })),
  ]);
  return [...new Map(all.map((edge) => [JSON.stringify(edge), edge])).values()];
}

function edgesAt(id: string, edges: readonly NodeEdge[]): Pick<LineageNode, "inEdges" | "outEdges"> {
  return {
    inEdges: edges.filter(({ destination }) => destination === id),
    outEdges: edges.filter(({ origin }) => origin === id),
  };
}

function facetsBy(rows: readonly FacetRow[], owner: FacetOwner, id: number) {
  const own = rows.filter((row) => row.owner === owner && row.ownerId === id);
  return Object.fromEntries(own.map(({ name, body }) => [name, body]));
}

function datasetNode(
  one: NamedNode,
  rows: readonly FacetRow[],
  aliases: readonly { readonly alias: string; readonly datasetId: number }[],
  edges: readonly NodeEdge[],
): LineageNode {
  const { namespace, name } = one;
  const id = nodeId("dataset", one);
  return {
    id,
    type: "DATASET",
    data: {
      id: { namespace, name },
      namespace,
      name,
      aliases: aliases.filter(({ datasetId }) => datasetId === one.id).map(({ alias }) => alias),
      facets: facetsBy(rows, "dataset", one.id),
      inputFacets: facetsBy(rows, "input", one.id),
      outputFacets: facetsBy(rows, "output", one.id),
    },
    ...edgesAt(id, edges),
  };
}

function jobNode(
  one: NamedNode,
  rows: { readonly job: readonly FacetRow[]; readonly run: readonly FacetRow[] },
  run: RunRow | undefined,
  edges: readonly NodeEdge[],
): LineageNode {
  const { namespace, name } = one;
  const id = nodeId("job", one);
  return {
    id,
    type: "JOB",
    data: {
      id: { namespace, name },
      namespace,
      name,
      aliases: [],
      facets: facetsBy(rows.job, "job", one.id),
      ...(run
        ? {
            latestRun: {
              runId: run.runId,
              state: run.state,
              ...(run.startedAt === null ? {} : { startedAt: run.startedAt }),
              ...(run.endedAt === null ? {} : { endedAt: run.endedAt }),
              facets: facetsBy(rows.run, "run", run.id),
            },
          }
        : {}),
    },
    ...edgesAt(id, edges),
  };
}
