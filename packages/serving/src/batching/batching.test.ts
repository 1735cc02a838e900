import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../protocol/tensor.ts";
import type { RunOutcome } from "../runtime.ts";
import { noBatching, planBatches } from "./batch-plan.ts";
import { Batcher } from "./batcher.ts";
import { hasRowDimension, joinRows, rowShapeOf, splitRows } from "./row-batch.ts";

function tensor(rows: number, width: number, start = 0): Tensor {
  const data = Float32Array.from({ length: rows * width }, (_, i) => start + i);
  return { name: "x", datatype: "FP32", shape: [rows, width], data };
}

/** A model that doubles, and whose runs end when the test says so. */
class Doubler {
  readonly batches: number[] = [];
  readonly #open: (() => void)[] = [];
  outcome: (inputs: readonly Tensor[]) => RunOutcome = (inputs) => ({
    kind: "ok",
    runMicros: 1,
    outputs: inputs.map((input) => ({ ...input, data: (input.data as Float32Array).map((v) => 2 * v) })),
  });

  readonly run = (inputs: readonly Tensor[]): Promise<RunOutcome> => {
    this.batches.push(inputs[0]?.shape[0] ?? 0);
    return new Promise((resolve) => this.#open.push(() => resolve(this.outcome(inputs))));
  };

  /** Ends the runs that are under way. */
  async step(): Promise<void> {
    for (const end of this.#open.splice(0)) end();
    await new Promise(setImmediate);
  }

  /** Ends runs until none is left. */
  async finish(): Promise<void> {
    while (this.#open.length > 0) await this.step();
  }
}

const plan = { ...noBatching, maxRows: 8 };
const options = { timeoutMs: 10_000 };

describe("rows", () => {
  test("what is joined and cut apart again is what came in, for every datatype of numbers and for texts", () => {
    const data = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(data, { minLength: 1, maxLength: 6 }), (requests) => {
        const numbers = requests.map((values): Tensor[] => [
          { name: "a", datatype: "INT16", shape: [values.length, 1], data: Int16Array.from(values) },
          { name: "b", datatype: "BYTES", shape: [values.length], data: values.map(String) },
          {
            name: "c",
            datatype: "INT64",
            shape: [values.length],
            data: BigInt64Array.from(values.map(BigInt)),
          },
        ]);
        const rows = requests.map((values) => values.length);
        const joined = joinRows(
          numbers,
          rows.reduce((sum, count) => sum + count, 0),
        );
        expect(splitRows(joined, rows)).toEqual(numbers);
      }),
    );
  });

  test("only models whose tensors all have the same variable first dimension can be batched", () => {
    const spec = (shape: number[], symbol: string | null) => ({
      name: "t",
      datatype: "FP32" as const,
      shape,
      symbols: [symbol],
    });
    expect(hasRowDimension({ inputs: [spec([-1, 3], "n")], outputs: [spec([-1], "n")] })).toBe(true);
    expect(hasRowDimension({ inputs: [spec([-1, 3], null)], outputs: [spec([-1], "k")] })).toBe(true);
    expect(hasRowDimension({ inputs: [spec([1, 3], null)], outputs: [spec([-1], "n")] })).toBe(false);
    expect(hasRowDimension({ inputs: [spec([-1, 3], "n")], outputs: [spec([], null)] })).toBe(false);
    expect(hasRowDimension({ inputs: [spec([-1], "n"), spec([-1], "m")], outputs: [spec([-1], "n")] })).toBe(
      false,
    );
  });

  test("an output that does not follow the rows is never cut", () => {
    expect(splitRows([tensor(3, 1)], [1, 1])).toBeUndefined();
    expect(rowShapeOf([tensor(1, 2)])).not.toBe(rowShapeOf([tensor(1, 3)]));
  });
});

describe("the plan", () => {
  test("grows while a row becomes cheaper and the run stays short enough", () => {
    const profile = [
      { rows: 1, micros: 1000 },
      { rows: 2, micros: 1100 },
      { rows: 8, micros: 1600 },
      { rows: 32, micros: 6400 },
      { rows: 64, micros: 9000 },
    ];
    expect(planBatches(profile, 1e6).maxRows).toBe(64);
    expect(planBatches(profile, 8000).maxRows).toBe(8);
    expect(planBatches(profile, 10).maxRows).toBe(1);
    expect(planBatches([], 10).maxRows).toBe(1);
  });
});

describe("the batcher", () => {
  test("an answer says how long it waited for its run, and who ran out of time whether the run had begun", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, plan);
    const first = batcher.run([tensor(1, 1)], options);
    const [waiting, impatient] = [
      batcher.run([tensor(1, 1)], options),
      batcher.run([tensor(1, 1)], { timeoutMs: 20, longestMs: 10_000 }),
    ];
    expect(await impatient).toEqual({ kind: "timeout", ranMs: 0 });
    await model.step();
    expect(await first).toMatchObject({ kind: "ok", waitMicros: 0 });
    const hurried = batcher.run([tensor(1, 1)], options);
    await model.step();
    const outcome = await waiting;
    expect(outcome.kind === "ok" && outcome.waitMicros).toBeGreaterThan(15_000);
    await model.finish();
    await hurried;
    const late = await batcher.run([tensor(1, 1)], { timeoutMs: 30, longestMs: 10_000 });
    expect(late.kind === "timeout" && late.ranMs).toBeGreaterThan(0);
    await model.finish();
  });

  test("a request that finds the model idle runs at once; what comes meanwhile goes together", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, plan);
    const answers = [0, 10, 20, 30].map((start) => batcher.run([tensor(1, 2, start)], options));
    expect(model.batches).toEqual([1]);
    expect(batcher.queuedRows).toBe(3);
    await model.finish();
    expect(model.batches).toEqual([1, 3]);
    for (const [at, outcome] of (await Promise.all(answers)).entries())
      expect(outcome.kind === "ok" && [...(outcome.outputs[0]?.data ?? [])]).toEqual([20 * at, 20 * at + 2]);
  });

  test("every request gets its own rows, whatever sizes, shapes and priorities come in whatever order", async () => {
    const request = fc.record({
      rows: fc.integer({ min: 1, max: 12 }),
      width: fc.integer({ min: 1, max: 2 }),
      priority: fc.constantFrom("high" as const, "normal" as const, "low" as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
        const model = new Doubler();
        const batcher = new Batcher(model.run, plan, () => 2);
        const inputs = requests.map(({ rows, width }, at) => tensor(rows, width, at * 1000));
        const answers = inputs.map((input, at) =>
          batcher.run([input], { ...options, priority: requests[at]?.priority ?? "normal" }),
        );
        await model.finish();
        for (const [at, outcome] of (await Promise.all(answers)).entries()) {
          const doubled = [...((inputs[at]?.data ?? []) as Float32Array)].map((value) => 2 * value);
          expect(outcome.kind === "ok" && [...(outcome.outputs[0]?.data ?? [])]).toEqual(doubled);
        }
        expect(model.batches.reduce((sum, rows) => sum + rows, 0)).toBe(
          requests.reduce((sum, { rows }) => sum + rows, 0),
        );
        // Only a request that is larger by itself makes a larger run.
        expect(Math.max(...model.batches)).toBeLessThanOrEqual(
          Math.max(plan.maxRows, ...requests.map(({ rows }) => rows)),
        );
      }),
    );
  });

  test("high goes before normal before low", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, { ...plan, maxRows: 1 });
    const order: string[] = [];
    const send = (priority: "high" | "normal" | "low") =>
      batcher.run([tensor(1, 1)], { ...options, priority }).then(() => order.push(priority));
    const all = [
      batcher.run([tensor(1, 1)], options),
      send("low"),
      send("normal"),
      send("high"),
      send("normal"),
    ];
    await model.finish();
    await Promise.all(all);
    expect(order).toEqual(["high", "normal", "normal", "low"]);
  });

  test("a request past its deadline is answered then, and never run", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, plan);
    const first = batcher.run([tensor(1, 1)], options);
    const late = await batcher.run([tensor(1, 1)], { timeoutMs: 5 });
    expect(late.kind).toBe("timeout");
    await model.finish();
    expect((await first).kind).toBe("ok");
    expect(model.batches).toEqual([1]);
    expect(batcher.queuedRows).toBe(0);
  });

  test("who runs out of time behind runs that end without an answer waited for the model, not for others", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, plan);
    const { outcome } = model;
    const short = { timeoutMs: 20, longestMs: 20 };
    const first = batcher.run([tensor(1, 2)], options);
    // The first run has not ended: whose waiting its neighbours' is nobody can say yet.
    expect(await batcher.run([tensor(1, 2)], short)).toEqual({ kind: "timeout", ranMs: 0 });
    model.outcome = () => ({ kind: "timeout" });
    await model.step();
    expect(await first).toEqual({ kind: "timeout" });
    const second = batcher.run([tensor(1, 2)], options);
    const behind = await batcher.run([tensor(1, 2)], short);
    expect(behind.kind === "timeout" && (behind.ranMs ?? 0) > 15).toBe(true);
    // An answer ends it.
    model.outcome = outcome;
    await model.step();
    expect(await second).toMatchObject({ kind: "ok" });
    // What was computed in time and came late, because the process did something else, begins nothing.
    const heldUp = batcher.run([tensor(1, 2)], options);
    model.outcome = () => ({ kind: "timeout", ranMs: 1 });
    await model.step();
    expect(await heldUp).toEqual({ kind: "timeout", ranMs: 1 });
    model.outcome = outcome;
    const third = batcher.run([tensor(1, 2)], options);
    expect(await batcher.run([tensor(1, 2)], short)).toEqual({ kind: "timeout", ranMs: 0 });
    await model.finish();
    expect(await third).toMatchObject({ kind: "ok" });
  });

  test("a caller in a batch is answered at its deadline while the run goes on for the others", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, plan);
    const first = batcher.run([tensor(1, 1)], options);
    const impatient = batcher.run([tensor(1, 1)], { timeoutMs: 20 });
    const patient = batcher.run([tensor(1, 1)], options);
    await model.step();
    expect((await first).kind).toBe("ok");
    expect(model.batches).toEqual([1, 2]);
    expect((await impatient).kind).toBe("timeout");
    await model.finish();
    expect((await patient).kind).toBe("ok");
  });

  test("one request's bad value fails that request alone", async () => {
    const model = new Doubler();
    const good = model.outcome;
    model.outcome = (inputs) =>
      [...(inputs[0]?.data ?? [])].includes(13) ? { kind: "failed", detail: "13" } : good(inputs);
    const batcher = new Batcher(model.run, plan);
    const answers = [0, 1, 13, 2].map((value) => batcher.run([tensor(1, 1, value)], options));
    await model.finish();
    expect((await Promise.all(answers)).map(({ kind }) => kind)).toEqual(["ok", "ok", "failed", "ok"]);
  });

  test("a model that mixes rows is found out and not batched again", async () => {
    const model = new Doubler();
    model.outcome = (inputs) => ({
      kind: "ok",
      runMicros: 1,
      outputs: [{ name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(inputs[0]?.shape[0] ?? 0) }],
    });
    const batcher = new Batcher(model.run, plan);
    const answers = [1, 2, 3].map((value) => batcher.run([tensor(1, 1, value)], options));
    await model.finish();
    for (const outcome of await Promise.all(answers))
      expect(outcome.kind === "ok" && outcome.outputs[0]?.data[0]).toBe(1);
    expect(batcher.maxRows).toBe(1);
  });

  test("beyond the room to wait the lowest and youngest is refused at once", async () => {
    const model = new Doubler();
    const batcher = new Batcher(model.run, { ...plan, maxRows: 1, maxQueuedRows: 2 });
    const first = batcher.run([tensor(1, 1)], options);
    const low = batcher.run([tensor(1, 1)], { ...options, priority: "low" });
    const normal = batcher.run([tensor(1, 1)], options);
    const second = batcher.run([tensor(1, 1)], options);
    expect((await low).kind).toBe("overloaded");
    expect((await batcher.run([tensor(1, 1)], options)).kind).toBe("overloaded");
    await model.finish();
    expect((await Promise.all([first, normal, second])).map(({ kind }) => kind)).toEqual(["ok", "ok", "ok"]);
  });
});
