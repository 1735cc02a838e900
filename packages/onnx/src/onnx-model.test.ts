import type { RunOutcome, Tensor } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import type { Engine } from "./engine.ts";
import { OnnxModel } from "./onnx-model.ts";

const row: Tensor = { name: "x", datatype: "FP32", shape: [1, 1], data: Float32Array.of(1) };

/** An engine whose runs end when the test says so; those whose number is named die, killed by somebody else. */
class DyingEngine implements Engine {
  readonly rows: number[] = [];
  readonly #dying: ReadonlySet<number>;
  readonly #open: (() => void)[] = [];

  constructor(...dying: readonly number[]) {
    this.#dying = new Set(dying);
  }

  readonly state = () => {
    const profile = [1, 64].map((rows) => ({ rows, micros: 100 }));
    return { kind: "ready", tier: "worker", warmUpMicros: 1, profile } as const;
  };
  readonly lanes = () => 1;
  readonly recovered = () => Promise.resolve();
  readonly close = () => Promise.resolve();
  readonly run = (inputs: readonly Tensor[]): Promise<RunOutcome> => {
    const number = this.rows.push(inputs[0]?.shape[0] ?? 0);
    const outcome: RunOutcome = this.#dying.has(number)
      ? { kind: "crashed", detail: "killed", byModel: false }
      : { kind: "ok", outputs: inputs.map((one) => ({ ...one, name: "y" })), runMicros: 1 };
    return new Promise((resolve) => this.#open.push(() => resolve(outcome)));
  };

  /** Ends runs until none is left. */
  async finish(): Promise<void> {
    while (this.#open.length > 0) {
      for (const end of this.#open.splice(0)) end();
      await new Promise(setImmediate);
    }
  }
}

async function askMany(engine: DyingEngine, count: number): Promise<string[]> {
  const model = new OnnxModel(engine, () => Promise.resolve(engine));
  const all = Array.from({ length: count }, () => model.run([row], { timeoutMs: 10_000 }));
  await engine.finish();
  return (await Promise.all(all)).map(({ kind }) => kind);
}

test("everybody in a run that somebody kills is tried again, however few retries are left", async () => {
  const engine = new DyingEngine(2);
  expect(new Set(await askMany(engine, 31))).toEqual(new Set(["ok"]));
  // The first came alone and the others shared a run; of those the first finds the model idle, and the rest share again.
  expect(engine.rows).toEqual([1, 30, 1, 29]);
});

test("a run that dies a second time is not tried a third", async () => {
  const engine = new DyingEngine(2, 3, 4);
  const kinds = await askMany(engine, 31);
  expect(kinds.filter((kind) => kind === "crashed")).toHaveLength(30);
  expect(engine.rows).toEqual([1, 30, 1, 29]);
});
