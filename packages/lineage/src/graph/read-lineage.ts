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
  const runs = await latestRuns(sql, [...walked.flows.keys()]);
  const rows = facets ? await facetsOfAll(sql, scope, { datasets, jobs, runs }) : [];
  const aliases = await aliasesOf(sql, scope, idsOf(datasets));
  const datasetIds = new Map(datasets.map((one) => [one.id, nodeId("dataset", one)]));
  const jobIds = new Map(jobs.map((one) => [one.id, nodeId("job", one)]));
  const flows = [...walked.flows.values()].map((flow) => ({
    job: jobIds.get(flow.jobId) ?? "",
    inputs: flow.inputs.flatMap((id) => datasetIds.get(id) ?? []),
    outputs: flow.outputs.flatMap((id) => datasetIds.get(id) ?? []),
  }));
  const known = knownBy(rows, aliases, edgesOf(flows));
  const runOf = new Map(runs.map((run) => [run.jobId, run]));
  return {
    roots: rootsOf(starts, walked, datasetIds, jobIds),
    graph: [
      ...datasets.map((one) => datasetNode(one, known)),
      ...jobs.map((one) => jobNode(one, known, runOf.get(one.id))),
    ],
    flows,
    truncated: walked.truncated,
  };
}

function idsOf(rows: readonly { readonly id: number }[]): number[] {
  return rows.map(({ id }) => id);
}

async function facetsOfAll(
  sql: Sql,
  scope: Scope,
  of: {
    readonly datasets: readonly NamedNode[];
    readonly jobs: readonly NamedNode[];
    readonly runs: readonly RunRow[];
  },
): Promise<FacetRow[]> {
  return [
    ...(await readFacets(sql, scope, ["dataset", "input", "output"], idsOf(of.datasets))),
    ...(await readFacets(sql, scope, ["job"], idsOf(of.jobs))),
    ...(await readFacets(sql, scope, ["run"], idsOf(of.runs))),
  ];
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

/** What is known of the nodes, each found by its node's id. */
interface Known {
  readonly facetsOf: (owner: FacetOwner, id: number) => Record<string, Record<string, unknown>>;
  readonly aliasesOf: (datasetId: number) => string[];
  readonly edgesAt: (id: string) => Pick<LineageNode, "inEdges" | "outEdges">;
}

function knownBy(
  facets: readonly FacetRow[],
  aliases: readonly { readonly alias: string; readonly datasetId: number }[],
  edges: readonly NodeEdge[],
): Known {
  const facetsBy = Map.groupBy(facets, ({ owner, ownerId }) => `${owner} ${ownerId}`);
  const aliasesBy = Map.groupBy(aliases, ({ datasetId }) => datasetId);
  const [into, outOf] = [
    Map.groupBy(edges, ({ destination }) => destination),
    Map.groupBy(edges, ({ origin }) => origin),
  ];
  return {
    facetsOf: (owner, id) =>
      Object.fromEntries((facetsBy.get(`${owner} ${id}`) ?? []).map(({ name, body }) => [name, { ...body }])),
    aliasesOf: (id) => (aliasesBy.get(id) ?? []).map(({ alias }) => alias),
    edgesAt: (id) => ({ inEdges: into.get(id) ?? [], outEdges: outOf.get(id) ?? [] }),
  };
}

function datasetNode(one: NamedNode, { facetsOf, aliasesOf: names, edgesAt }: Known): LineageNode {
  const { namespace, name } = one;
  const id = nodeId("dataset", one);
  return {
    id,
    type: "DATASET",
    data: {
      id: { namespace, name },
      namespace,
      name,
      aliases: names(one.id),
      facets: facetsOf("dataset", one.id),
      inputFacets: facetsOf("input", one.id),
      outputFacets: facetsOf("output", one.id),
    },
    ...edgesAt(id),
  };
}

function jobNode(one: NamedNode, { facetsOf, edgesAt }: Known, run: RunRow | undefined): LineageNode {
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
      facets: facetsOf("job", one.id),
      ...(run
        ? {
            latestRun: {
              runId: run.runId,
              state: run.state,
              ...(run.startedAt === null ? {} : { startedAt: run.startedAt }),
              ...(run.endedAt === null ? {} : { endedAt: run.endedAt }),
              facets: facetsOf("run", run.id),
            },
          }
        : {}),
    },
    ...edgesAt(id),
  };
}
