import {
  digestJson,
  type Logger,
  newId,
  type RecordBatch,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { limits } from "./check-values.ts";
import { blocksOf, callerOf, groupOf, type PointsOfRequest } from "./point-groups.ts";
import { addGroup, findCrowded } from "./point-groups-store.ts";
import { RunMemory } from "./run-memory.ts";

export interface PointWriterDeps {
  readonly work: UnitOfWork;
  readonly recordBatch: RecordBatch;
  readonly log: Logger;
}

/** Requests, and points, of one transaction at most: what it holds back while it commits. */
const mostRequests = 256;
const mostPoints = 20_000;

interface Waiting {
  readonly request: PointsOfRequest;
  readonly settle: (isWritten: boolean) => void;
}

/**
 * Writes points of many requests in one transaction: those that come while one commits are the next one's. Nobody waits for company: a
 * request that comes alone is written at once, alone.
 */
export class PointWriter {
  readonly runs = new RunMemory();
  readonly #deps: PointWriterDeps;
  readonly #waiting: Waiting[] = [];
  #isAtWork = false;

  constructor(deps: PointWriterDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves, once it is committed, to true. To false when the request must be written alone, with nothing written: its run takes no
   * more, or the group that it was in failed, which says nothing of this request.
   */
  write(request: PointsOfRequest): Promise<boolean> {
    return new Promise((settle) => {
      this.#waiting.push({ request, settle });
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#isAtWork) return;
    this.#isAtWork = true;
    while (this.#waiting.length > 0) {
      const group = this.#next();
      const taken = await this.#commit(group.map(({ request }) => request));
      for (const { request, settle } of group) settle(taken.has(request.runId));
    }
    this.#isAtWork = false;
  }

  #next(): Waiting[] {
    let points = 0;
    let count = 0;
    for (const { request } of this.#waiting.slice(0, mostRequests)) {
      points += request.points.length;
      if (count > 0 && points > mostPoints) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** The runs whose requests are written. A fault is no answer to any of them: each meets its own when it is written alone. */
  async #commit(requests: readonly PointsOfRequest[]): Promise<ReadonlySet<string>> {
    const [first] = requests;
    if (first === undefined) return new Set();
    try {
      return await this.#deps.work.write(first.call, (tx) => this.#writeGroup(tx, requests));
    } catch (error) {
      this.#deps.log.warn({ err: error, requests: requests.length }, "tracking.group.failed");
      return new Set();
    }
  }

  async #writeGroup(tx: Transaction, requests: readonly PointsOfRequest[]): Promise<ReadonlySet<string>> {
    const { taken, grown } = await addGroup(tx.sql, groupOf(requests), {
      now: tx.now,
      mostBytes: limits.runBytes,
    });
    const crowded = await findCrowded(tx.sql, grown, limits.runKeys.latest_metrics);
    if (crowded.length > 0) throw new Error(`too many metrics in ${crowded.join()}`);
    const written = requests.filter(({ runId }) => taken.has(runId));
    for (const own of Map.groupBy(written, ({ call }) => callerOf(call)).values())
      await this.#record(tx, own);
    return taken;
  }

  /** One leaf for the requests of one caller: its digest is the stored block's, or that of the list of them. */
  async #record(tx: Transaction, requests: readonly PointsOfRequest[]): Promise<void> {
    const [first] = requests;
    if (first === undefined) return;
    const byRun = Map.groupBy(requests, ({ runId }) => runId);
    const blocks = [...byRun].flatMap(([runId, own]) => blocksOf(runId, own));
    const named = blocks.map(({ runId, digest }) => ({ runId, digest }));
    const [only, ...others] = named;
    const runs = [...byRun.keys()].toSorted();
    await this.#deps.recordBatch(
      { ...tx, call: first.call },
      {
        event: "tracking.batch.logged",
        subject: runs.length === 1 ? first.runId : first.call.actor.id,
        digest: only !== undefined && others.length === 0 ? only.digest : digestJson(named),
        count: requests.reduce((sum, { points }) => sum + points.length, 0),
        key: `tracking:${newId("request", tx.now)}`,
        ...(others.length === 0
          ? {}
          : { detail: { blocks: blocks.length, requests: requests.length, runs } }),
      },
    );
  }
}
