import type { RemoteUse } from "@portolan/training";
import type { JobInfo, NodeDetail, RayClient } from "./ray-client.ts";

export interface SeenNode {
  readonly id: string;
  readonly detail: NodeDetail;
}

/** Ray's own processes, which are listed among workers. */
const agents: ReadonlySet<string | undefined> = new Set(["ray::DashboardAgent", "ray::RuntimeEnvAgent"]);
/** A job of no driver: workers that wait for one. */
const nobodys = /^f+$/;

/**
 * The most that a job can use: all that the machines do on which its driver or its workers are, but for what workers of other jobs were seen to take. What
 * Ray says of a worker's processors leaves out what the worker started, so that it cannot show that a job rests. Undefined where its machines are not
 * known. Pure.
 *
 * @param others ids of other jobs; any that is not known is this job's
 */
export function jobUse(
  { driver_node_id: driverNode }: Pick<JobInfo, "driver_node_id">,
  others: ReadonlySet<string>,
  nodes: readonly SeenNode[],
): RemoteUse | undefined {
  const isAside = ({ jobId, cmdline }: NodeDetail["workers"][number]): boolean =>
    !jobId || nobodys.test(jobId) || others.has(jobId) || agents.has(cmdline?.[0]);
  const its = nodes.filter(
    ({ id, detail }) => id === driverNode || detail.workers.some((worker) => !isAside(worker)),
  );
  if (!its.some(({ id }) => id === driverNode)) return undefined;
  let busyCores = 0;
  const cards: number[] = [];
  for (const { detail } of its) {
    const aside = detail.workers.filter(isAside).reduce((sum, { cpuPercent }) => sum + (cpuPercent ?? 0), 0);
    busyCores += Math.max(0, (detail.cpu * (detail.cpus[0] ?? 0) - aside) / 100);
    for (const { utilizationGpu } of detail.gpus ?? [])
      if (typeof utilizationGpu === "number") cards.push(utilizationGpu);
  }
  return { busyCores, ...(cards.length === 0 ? {} : { busiestCard: Math.max(...cards) }) };
}

/** Agents look every 2.5 seconds; one that said nothing new for so long, in milliseconds, may be dead, and its machine do anything. */
const defaultStaleMs = 15_000;
/** Of more the dashboard would be asked for too much. */
const mostNodes = 64;

/** Looks at what a job uses, again and again. */
export class JobUseReader {
  readonly #client: RayClient;
  readonly #runId: string;
  readonly #staleMs: number;
  /** When each machine last said something new, by the clock that only goes on. */
  readonly #news = new Map<string, { readonly now: number; readonly at: number }>();

  constructor(client: RayClient, runId: string, staleMs = defaultStaleMs) {
    this.#client = client;
    this.#staleMs = staleMs;
    this.#runId = runId;
  }

  /** `undefined` where the cluster does not tell all of it. */
  async read(job: JobInfo): Promise<RemoteUse | undefined> {
    const [others, ids] = await Promise.all([this.#client.othersThan(this.#runId), this.#client.nodes()]);
    if (!others || !ids || ids.length > mostNodes) return undefined;
    const nodes: SeenNode[] = [];
    for (const [index, detail] of (await Promise.all(ids.map((id) => this.#client.node(id)))).entries()) {
      const id = ids[index];
      if (id === undefined || !detail || !this.#isNew(id, detail.now)) return undefined;
      nodes.push({ id, detail });
    }
    return jobUse(job, others, nodes);
  }

  #isNew(id: string, now: number): boolean {
    const before = this.#news.get(id);
    const at = performance.now();
    if (before?.now !== now) this.#news.set(id, { now, at });
    return before?.now !== now || at - before.at <= this.#staleMs;
  }
}
