import { setImmediate as turn } from "node:timers/promises";
import { createLogger } from "@portolan/kernel";
import { type LoadedModel, scaleTermsOf } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { MemoryBudget } from "./memory-budget.ts";
import { OnDemandModel } from "./on-demand-model.ts";

const copyBytes = 100;
const log = createLogger({ name: "gateway", level: "silent" });

/** Models in memory of which the bytes are counted as a process would see them: from when loading begins until closed. */
class Machine {
  readonly models: OnDemandModel[] = [];
  readonly budget: MemoryBudget;
  takenBytes = 0;
  mostBytes = 0;
  /** Requests that keep each model busy. */
  inFlight = 0;

  constructor(maxBytes: number) {
    this.budget = new MemoryBudget(() => this.models, { maxBytes, idleMs: 0, log });
  }

  /** What the runtime does: the bytes are taken before it is there, and given back after it was told to close. */
  async #run(): Promise<LoadedModel> {
    this.takenBytes += copyBytes;
    this.mostBytes = Math.max(this.mostBytes, this.takenBytes);
    await turn();
    return {
      state: () => ({ kind: "ready", tier: "inline", warmUpMicros: 1, profile: [] }),
      usage: () => ({ lanes: 1, busyMs: 0, queuedRows: 0, inFlight: this.inFlight }),
      run: async () => ({ kind: "unavailable", detail: "it has no outputs" }),
      close: async () => {
        await turn();
        this.takenBytes -= copyBytes;
      },
    };
  }

  load(label: string): Promise<OnDemandModel> {
    return this.budget.loadWithin(copyBytes, async () => {
      const model = new OnDemandModel(await this.#run(), {
        label,
        origin: "trained",
        memory: { bytes: copyBytes, basis: "measured" },
        terms: scaleTermsOf([], 1),
        load: (take) => this.budget.loadWithin(copyBytes, async () => take(await this.#run())),
      });
      this.models.push(model);
      return model;
    });
  }

  loadAll(count: number): Promise<OnDemandModel[]> {
    return Promise.all(Array.from({ length: count }, (_, at) => this.load(`m/${at}`)));
  }
}

test("twenty models that are loaded at the same moment never take more together than they may", async () => {
  const machine = new Machine(512);
  await machine.loadAll(20);
  expect(machine.models).toHaveLength(20);
  expect(machine.mostBytes).toBe(500);
  expect([machine.takenBytes, machine.budget.heldBytes]).toEqual([500, 500]);
  // All of them are asked at once: those that sleep come back one after another.
  const answers = await Promise.all(machine.models.map((model) => model.run([], { timeoutMs: 10_000 })));
  expect(answers).toEqual(answers.map(() => ({ kind: "unavailable", detail: "it has no outputs" })));
  expect(machine.mostBytes).toBe(500);
});

test("where models in use leave too little, a further one is loaded all the same", async () => {
  const machine = new Machine(512);
  machine.inFlight = 1;
  await machine.loadAll(7);
  expect([machine.models.length, machine.budget.heldBytes]).toEqual([7, 700]);
});

test("what failed to load holds no bytes", async () => {
  const machine = new Machine(150);
  const failing = Array.from({ length: 3 }, () =>
    machine.budget.loadWithin(copyBytes, () => Promise.reject(new Error("damaged"))),
  );
  const ends = await Promise.allSettled(failing);
  expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(machine.budget.heldBytes).toBe(0);
  await machine.load("m/1");
  expect(machine.budget.heldBytes).toBe(copyBytes);
});

test("one that turns out too large while it serves does not sleep, and others give way", async () => {
  const machine = new Machine(512);
  const [large, other] = await machine.loadAll(2);
  if (!large || !other) throw new Error("two were loaded");
  large.memory = { bytes: 600, basis: "measured" };
  large.terms = { ...large.terms, idleMs: 1 };
  await machine.budget.sleepIdle(performance.now() + 60_000);
  expect([large.isLoaded, other.isLoaded]).toEqual([true, false]);
  expect(machine.budget.heldBytes).toBe(600);
});
