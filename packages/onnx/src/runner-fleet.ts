import type { RunOutcome, RuntimeState, Tensor } from "@portolan/serving/policy";
import type { Engine } from "./engine.ts";
import type { RunnerEngine } from "./runner-engine.ts";

interface Member {
  readonly engine: RunnerEngine;
  isBusy: boolean;
}

/**
 * A model in as many runner processes as it is given. They share one verdict of the quarantine, so a model that kills its runners is
 * out of use in all of them; one that was killed from outside leaves the others at work.
 */
export class RunnerFleet implements Engine {
  readonly #startOne: () => Promise<RunnerEngine>;
  readonly #first: Member;
  #members: readonly Member[];
  #isClosed = false;

  /** @param startOne starts a further runner of the same model */
  constructor(first: RunnerEngine, startOne: () => Promise<RunnerEngine>) {
    this.#startOne = startOne;
    this.#first = { engine: first, isBusy: false };
    this.#members = [this.#first];
  }

  /** Of a member that takes runs, where there is one. */
  state(): RuntimeState {
    return (this.#members.find(isReady) ?? this.#first).engine.state();
  }

  /** Those that are starting again are none, unless there is no other: then whoever has the time waits for it. */
  lanes(): number {
    return Math.max(1, this.#members.filter(isReady).length);
  }

  recovered(): Promise<void> {
    if (this.#members.some(isReady)) return Promise.resolve();
    return Promise.race(this.#members.map(({ engine }) => engine.recovered()));
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    const member =
      this.#members.find((one) => !one.isBusy && isReady(one)) ??
      this.#members.find(({ isBusy }) => !isBusy) ??
      this.#first;
    member.isBusy = true;
    try {
      return await member.engine.run(inputs, timeoutMs);
    } finally {
      member.isBusy = false;
    }
  }

  /** Brings the number of runners to `lanes`; those too many end once their runs have. */
  async scale(lanes: number): Promise<void> {
    const staying = this.#members.slice(0, Math.max(1, lanes));
    const leaving = this.#members.slice(staying.length);
    this.#members = staying;
    await Promise.all(leaving.map(({ engine }) => engine.close()));
    while (!this.#isClosed && this.#members.length < lanes && this.state().kind === "ready") {
      const engine = await this.#startOne();
      // Closed while it started: nobody else knows of it.
      if (this.#isClosed) return engine.close();
      this.#members = [...this.#members, { engine, isBusy: false }];
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#members.map(({ engine }) => engine.close()));
  }
}

function isReady({ engine }: Member): boolean {
  return engine.state().kind === "ready";
}
