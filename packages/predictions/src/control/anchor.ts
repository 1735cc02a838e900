import { setTimeout as sleep } from "node:timers/promises";
import {
  type Clock,
  type Id,
  microsPerSecond,
  newId,
  type RecordBatch,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import { anchorDigest } from "../policy.ts";
import { blocksOfAnchor, insertAnchor, lastAnchorSecond, organisationsToAnchor } from "./store.ts";

export interface AnchorDeps {
  readonly uow: UnitOfWork;
  readonly clock: Clock;
  readonly recordBatch: RecordBatch;
}

/**
 * Brings accepted blocks into the ledger: one leaf per organisation and second in which any arrived, over all
 * writers (P16). While one round is under way, what arrives waits for the next: that is the batching.
 */
export class Anchorer {
  readonly #deps: AnchorDeps;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #lastSecond = 0;

  constructor(deps: AnchorDeps) {
    this.#deps = deps;
  }

  /** Resolves when all that was accepted before the call is in the ledger. */
  anchor(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => {}) // that round's callers were told; this one does its work again
      .then(() => this.#waitForNewSecond())
      .then(() => {
        this.#next = undefined;
        this.#running = this.#round();
        return this.#running;
      });
    return this.#next;
  }

  async #waitForNewSecond(): Promise<void> {
    const { clock } = this.#deps;
    for (let left = this.#microsLeft(clock); left > 0; left = this.#microsLeft(clock)) {
      await sleep(Math.ceil(left / 1000));
    }
  }

  #microsLeft(clock: Clock): number {
    return (this.#lastSecond + 1) * microsPerSecond - clock.now();
  }

  async #round(): Promise<void> {
    const { uow, clock, recordBatch } = this.#deps;
    const second = Math.floor(clock.now() / microsPerSecond);
    const requestId = newId("request", clock.now());
    const system = {
      actor: systemActor("control", "org_00000000000000000000000000" as Id<"organisation">),
      requestId,
    };
    const organisations = await uow.read(system, organisationsToAnchor);
    this.#lastSecond = organisations.length > 0 ? second : this.#lastSecond;
    for (const organisationId of organisations) {
      const call = { actor: systemActor("control", organisationId as Id<"organisation">), requestId };
      await uow.write(call, async (tx) => {
        // After a restart, or a clock set back, the second may be taken: the next free one is.
        const free = Math.max(second, ((await lastAnchorSecond(tx.sql, organisationId)) ?? 0) + 1);
        const blocks = await blocksOfAnchor(tx.sql, organisationId, null);
        if (blocks.length === 0) return;
        const digest = anchorDigest(organisationId, free, blocks);
        const ledgerRow = await recordBatch(tx, {
          event: "predictions.blocks.accepted",
          subject: organisationId,
          digest,
          count: blocks.length,
          key: `predictions:${free}`,
          detail: { second: free },
        });
        await insertAnchor(tx, { organisationId, second: free, digest, ledgerRow });
      });
    }
  }
}
