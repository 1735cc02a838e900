import type { RunOutcome, RuntimeState, Tensor } from "@portolan/serving/policy";
import type { Engine } from "./engine.ts";
import type { RunnerEngine } from "./runner-engine.ts";

interface Member {
  readonly engine: RunnerEngine;
  /** Runs that it was given and has not ended. */
  runs: number;
}

/**
 * A model in as many runner processes as it is given. They share one verdict of the quarantine, so a model that kills its runners is
 * out of use in all of them; one that was killed from outside leaves the others at work.
 */
export class RunnerFleet implements Engine {
  readonly #startOne: () => Promise<RunnerEngine>;
  #members: readonly Member[];
  #isClosed = false;

  /** @param startOne starts a further runner of the same model */
  constructor(first: RunnerEngine, startOne: () => Promise<RunnerEngine>) {
    this.#startOne = startOne;
    this.#members = [{ engine: first, runs: 0 }];
  }

  /** Of a member that takes runs, where there is one. */
  state(): RuntimeState {
    return (this.#members.find(isReady) ?? this.#members[0])?.engine.state() ?? { kind: "closed" };
  }

  /** Those that are starting again are none, unless there is no other: then whoever has the time waits for it. */
  lanes(): number {
    return Math.max(1, this.#ready);
  }

  recovered(): Promise<void> {
    if (this.#members.some(isReady)) return Promise.resolve();
    return Promise.race(this.#members.map(({ engine }) => engine.recovered()));
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    const member = this.#leastBusy(this.#members.filter(isReady)) ?? this.#leastBusy(this.#members);
    if (!member) return { kind: "unavailable", detail: "The model is not loaded." };
    member.runs++;
    try {
      return await member.engine.run(inputs, timeoutMs);
    } finally {
      member.runs--;
    }
  }

  #leastBusy(members: readonly Member[]): Member | undefined {
    let least: Member | undefined;
    for (const member of members) if (least === undefined || member.runs < least.runs) least = member;
    return least;
  }

  /** Brings the number of runners that are ready to `lanes`; those too many end once their runs have, those that do not come back first. */
  async scale(lanes: number): Promise<void> {
    const wanted = Math.max(1, lanes);
    const inOrder = [...this.#members.filter(isReady), ...this.#members.filter((one) => !isReady(one))];
    const staying = inOrder.slice(0, wanted);
    const leaving = inOrder.slice(wanted);
    this.#members = staying;
    await Promise.all(leaving.map(({ engine }) => engine.close()));
    while (!this.#isClosed && this.#ready < wanted && this.state().kind === "ready") {
      const engine = await this.#startOne();
      // Closed while it started: nobody else knows of it.
      if (this.#isClosed) return engine.close();
      // In the place of one that does not come back, if there is one.
      const dead = this.#members.length >= wanted ? this.#members.find((one) => !isReady(one)) : undefined;
      this.#members = [...this.#members.filter((one) => one !== dead), { engine, runs: 0 }];
      await dead?.engine.close();
    }
  }

  get #ready(): number {
    return this.#members.filter(isReady).length;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#members.map(({ engine }) => engine.close()));
  }
}

function isReady({ engine }: Member): boolean {
  return engine.state().kind === "ready";
}
