import {
  digestJson,
  type Logger,
  newId,
  type RecordBatch,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { limits } from "./check-values.ts";
import { callerOf, groupOf, type PointBlock, type PointsOfRequest } from "./point-groups.ts";
import { addGroup, findCrowded } from "./point-groups-store.ts";
import { RunMemory } from "./run-memory.ts";

export interface PointWriterDeps {
  readonly work: UnitOfWork;
  readonly recordBatch: RecordBatch;
  readonly log: Logger;
  /** How long those who were just answered are waited for, in milliseconds. By default 3. */
  readonly returnMs?: number;
}

/** Requests, and points, of one transaction at most: what it holds back while it commits. */
const mostRequests = 256;
const mostPoints = 20_000;
const mostCrowded = 1_000;
const defaultReturnMs = 3;

interface Waiting {
  readonly request: PointsOfRequest;
  readonly settle: (isWritten: boolean) => void;
}

/**
 * Writes points of many requests in one transaction: those that come while one commits are the next one's. Nobody waits for company: a
 * request that comes alone is written at once, alone. Where several were answered together, they are given a moment to come back: callers
 * that log in a loop would else split in halves that wait for each other, and pay for twice the transactions.
 */
export class PointWriter {
  readonly runs = new RunMemory();
  readonly #deps: PointWriterDeps;
  readonly #waiting: Waiting[] = [];
  /** Runs that would keep others from being written together, if they tried again and again. */
  #crowded = new Set<string>();
  #isAtWork = false;
  /** Ends the moment that callers are given to come back, once so many wait. */
  #gathering: { readonly wanted: number; readonly end: () => void } | undefined;

  constructor(deps: PointWriterDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves, once it is committed, to true. To false when the request must be written alone, with nothing written: its run takes no
   * more, or the group that it was in failed, which says nothing of this request.
   */
  write(request: PointsOfRequest): Promise<boolean> {
    if (this.#crowded.size > mostCrowded) this.#crowded = new Set();
    if (this.#crowded.has(request.runId)) return Promise.resolve(false);
    return new Promise((settle) => {
      this.#waiting.push({ request, settle });
      if (this.#gathering && this.#waiting.length >= this.#gathering.wanted) this.#gathering.end();
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
      await this.#gather(group.length);
    }
    this.#isAtWork = false;
  }

  async #gather(answered: number): Promise<void> {
    const wanted = Math.min(answered + this.#waiting.length, mostRequests);
    const points = this.#waiting.reduce((sum, { request }) => sum + request.points.length, 0);
    // The next transaction is full as it is.
    if (wanted < 2 || this.#waiting.length >= wanted || points >= mostPoints) return;
    await new Promise<void>((end) => {
      const timer = setTimeout(end, this.#deps.returnMs ?? defaultReturnMs);
      this.#gathering = {
        wanted,
        end: () => {
          clearTimeout(timer);
          end();
        },
      };
    });
    this.#gathering = undefined;
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
      if (!(error instanceof CrowdedGroup))
        this.#deps.log.warn({ err: error, requests: requests.length }, "tracking.group.failed");
      return new Set();
    }
  }

  async #writeGroup(tx: Transaction, requests: readonly PointsOfRequest[]): Promise<ReadonlySet<string>> {
    const group = groupOf(requests);
    const { taken, grown } = await addGroup(tx.sql, group, { now: tx.now, mostBytes: limits.runBytes });
    for (const runId of await findCrowded(tx.sql, grown, limits.runKeys.latest_metrics))
      this.#crowded.add(runId);
    if (grown.some((runId) => this.#crowded.has(runId))) throw new CrowdedGroup();
    const written = group.blocks.filter(({ runId }) => taken.has(runId));
    for (const own of Map.groupBy(written, ({ call }) => callerOf(call)).values())
      await this.#record(tx, own);
    return taken;
  }

  /** One leaf for the blocks of one caller: its digest is the block's, or that of the list of them. */
  async #record(tx: Transaction, blocks: readonly PointBlock[]): Promise<void> {
    const [first, ...others] = blocks;
    if (first === undefined) return;
    const runs = [...new Set(blocks.map(({ runId }) => runId))];
    const requests = blocks.reduce((sum, block) => sum + block.requests, 0);
    await this.#deps.recordBatch(
      { ...tx, call: first.call },
      {
        event: "tracking.batch.logged",
        subject: runs.length === 1 ? first.runId : first.call.actor.id,
        digest:
          others.length === 0
            ? first.digest
            : digestJson(blocks.map(({ runId, digest }) => ({ runId, digest }))),
        count: blocks.reduce((sum, { points }) => sum + points.length, 0),
        key: `tracking:${newId("request", tx.now)}`,
        ...(others.length === 0 ? {} : { detail: { blocks: blocks.length, requests, runs } }),
      },
    );
  }
}

/** A run of the group has more metrics than it may: the group is given up, and that run's requests are written alone from now on. */
class CrowdedGroup extends Error {}
