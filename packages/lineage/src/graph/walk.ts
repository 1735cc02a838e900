import type { Sql } from "@portolan/kernel";
import type { Scope, Start } from "../store/find-nodes.ts";
import { type Direction, type FlowRow, flowsAt, flowsOfJobs, readFlows } from "../store/graph.ts";

/** How far a walk goes. */
export interface Bounds {
  /** Flows in a row, in each direction. */
  readonly depth: number;
  /** Datasets in all. */
  readonly size: number;
}

export interface Walked {
  readonly datasets: ReadonlySet<number>;
  readonly jobs: ReadonlySet<number>;
  /** By id, each with the datasets alone that the walk came by. */
  readonly flows: ReadonlyMap<number, FlowRow>;
  readonly truncated: boolean;
}

/** A walk under way. Datasets are visited once in each direction, so that cycles end. */
class Walk {
  readonly datasets = new Set<number>();
  readonly jobs = new Set<number>();
  readonly flows = new Map<number, FlowRow>();
  readonly #bounds: Bounds;
  truncated = false;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get isFull(): boolean {
    return this.datasets.size >= this.#bounds.size;
  }

  /** Adds what there is room for; the answer holds those that were added. */
  add(ids: readonly number[]): number[] {
    const taken: number[] = [];
    for (const id of ids) {
      if (!this.datasets.has(id) && this.isFull) {
        this.truncated = true;
        continue;
      }
      this.datasets.add(id);
      taken.push(id);
    }
    return taken;
  }

  addFlow(flow: FlowRow, inputs: readonly number[], outputs: readonly number[]): void {
    this.jobs.add(flow.jobId);
    const before = this.flows.get(flow.id);
    const union = (one: readonly number[] = [], other: readonly number[]) => [...new Set([...one, ...other])];
    this.flows.set(flow.id, {
      id: flow.id,
      jobId: flow.jobId,
      inputs: union(before?.inputs, inputs),
      outputs: union(before?.outputs, outputs),
    });
  }
}

/**
 * Everything that the starts come from (upstream) or went into (downstream), flow by flow: a dataset's sources are those of the flows
 * that wrote it, and not of all that its job ever read.
 */
export async function walk(
  sql: Sql,
  scope: Scope,
  starts: readonly Start[],
  directions: readonly Direction[],
  bounds: Bounds,
): Promise<Walked> {
  const found = new Walk(bounds);
  const first = await begin(sql, scope, starts, found, bounds);
  for (const direction of directions) {
    const seen = new Set(first[direction]);
    let level = [...seen];
    for (let depth = 0; level.length > 0; depth++) {
      const ids = await flowsAt(sql, scope, level, direction, bounds.size + 1);
      if (ids.length === 0) break;
      if (depth >= bounds.depth || ids.length > bounds.size) found.truncated = true;
      if (depth >= bounds.depth) break;
      level = step(await readFlows(sql, ids.slice(0, bounds.size)), new Set(level), direction, found).filter(
        (id) => !seen.has(id),
      );
      for (const id of level) seen.add(id);
    }
  }
  return found;
}

/** One step along the flows, from the datasets of a level; resolves to those that it leads to. */
function step(
  flows: readonly FlowRow[],
  level: ReadonlySet<number>,
  direction: Direction,
  found: Walk,
): number[] {
  const next: number[] = [];
  for (const flow of flows) {
    const [near, far] = direction === "upstream" ? [flow.outputs, flow.inputs] : [flow.inputs, flow.outputs];
    const from = near.filter((id) => level.has(id));
    const to = found.add(far);
    if (direction === "upstream") found.addFlow(flow, to, from);
    else found.addFlow(flow, from, to);
    next.push(...to);
  }
  return [...new Set(next)];
}

/** Where the walk goes on in each direction: at a dataset both ways, at a job or a run from what it read and from what it wrote. */
async function begin(
  sql: Sql,
  scope: Scope,
  starts: readonly Start[],
  found: Walk,
  { size }: Bounds,
): Promise<Record<Direction, number[]>> {
  const of = (kind: Start["kind"]) => starts.filter((start) => start.kind === kind).map(({ id }) => id);
  const datasets = found.add(of("dataset"));
  for (const job of of("job")) found.jobs.add(job);
  const flowIds = [...of("flow"), ...(await flowsOfJobs(sql, scope, of("job"), size + 1))];
  if (flowIds.length > size) found.truncated = true;
  const inputs: number[] = [];
  const outputs: number[] = [];
  for (const flow of await readFlows(sql, flowIds.slice(0, size))) {
    const [read, written] = [found.add(flow.inputs), found.add(flow.outputs)];
    found.addFlow(flow, read, written);
    inputs.push(...read);
    outputs.push(...written);
  }
  return { upstream: [...datasets, ...inputs], downstream: [...datasets, ...outputs] };
}
