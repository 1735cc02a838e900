import type { RunOutcome, RuntimeState, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { type Engine, type OnLate, within } from "./engine.ts";
import { LateRuns, patienceMs } from "./late-runs.ts";
import { ModelThread } from "./model-thread.ts";

/**
 * A trusted model that would hold up the gateway's own thread, in threads of its own. A run that does not end cannot be
 * interrupted: its caller is answered at the deadline, and the model is moved to a runner. So it is when runs come late again and again.
 */
export class WorkerEngine implements Engine {
  readonly #model: VerifiedModel;
  readonly #onLate: OnLate;
  readonly #lateRuns = new LateRuns();
  #threads: readonly ModelThread[];
  #state: RuntimeState;
  /** Threads whose run is past its time and has not ended, with its end. */
  readonly #late = new Map<ModelThread, Promise<void>>();

  private constructor(model: VerifiedModel, first: ModelThread, onLate: OnLate) {
    this.#model = model;
    this.#onLate = onLate;
    this.#threads = [first];
    const { micros, profile } = first.measured;
    this.#state = { kind: "ready", tier: "worker", warmUpMicros: micros, profile };
    this.#watch(first);
  }

  /** @throws PortolanError `onnx.load_failed` */
  static async start(model: VerifiedModel, onLate: OnLate): Promise<WorkerEngine> {
    return new WorkerEngine(model, await ModelThread.start(model), onLate);
  }

  state(): RuntimeState {
    return this.#state.kind === "ready" && !this.#isAlive ? { kind: "starting" } : this.#state;
  }

  /** Threads that have died are none, unless there is no other: then whoever has the time waits until the model has moved. */
  lanes(): number {
    return Math.max(1, this.#threads.filter(({ isAlive }) => isAlive).length);
  }

  recovered(): Promise<void> {
    return this.#isAlive || this.#state.kind !== "ready" ? Promise.resolve() : this.#onLate();
  }

  get #isAlive(): boolean {
    return this.#threads.some(({ isAlive }) => isAlive);
  }

  /** Brings the number of threads to `lanes`; those too many end once they are idle. */
  async scale(lanes: number): Promise<void> {
    const leaving = this.#threads.slice(lanes);
    this.#threads = this.#threads.slice(0, lanes);
    await Promise.all(leaving.map((thread) => thread.close()));
    while (this.#threads.length < lanes && this.#state.kind === "ready") {
      const thread = await ModelThread.start(this.#model);
      this.#threads = [...this.#threads, thread];
      this.#watch(thread);
    }
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    const startMs = performance.now();
    const leftMs = () => timeoutMs - (performance.now() - startMs);
    // A model without a thread is on its way to a runner: whoever has the time is answered there.
    if (this.state().kind === "starting") await within(this.recovered(), leftMs());
    // Where all are past their time, the first that ends its run is waited for.
    while (!this.#idleThread() && this.#late.size > 0 && leftMs() > 0)
      await within(Promise.race(this.#late.values()), leftMs());
    const thread = this.#idleThread();
    if (!thread || this.#state.kind !== "ready")
      return { kind: "unavailable", detail: "No thread of the model is free." };
    const givenMs = leftMs();
    const run = thread.run(inputs);
    if (await within(run, givenMs)) {
      this.#lateRuns.inTime();
      return run;
    }
    // Who waited for another's late run, and had little time left, says nothing about the model.
    if (givenMs >= timeoutMs / 2 && this.#lateRuns.late()) void this.#onLate();
    this.#watchLate(thread, run, timeoutMs);
    return { kind: "timeout" };
  }

  #idleThread(): ModelThread | undefined {
    return this.#threads.find(({ isIdle }) => isIdle);
  }

  /** The caller has its answer; a run that does not end moves the model all the same. */
  #watchLate(thread: ModelThread, run: Promise<RunOutcome>, timeoutMs: number): void {
    const stuck = setTimeout(() => void this.#onLate(), patienceMs(timeoutMs)).unref();
    const ended = run.then(() => {
      clearTimeout(stuck);
      this.#late.delete(thread);
    });
    this.#late.set(thread, ended);
  }

  async close(): Promise<void> {
    this.#state = { kind: "closed" };
    const closed = this.#threads.map((thread) => ({ thread, gone: thread.close() }));
    // A run that nobody can end would hold up whoever waits for this; its thread goes with the process.
    await Promise.all(closed.filter(({ thread }) => !this.#late.has(thread)).map(({ gone }) => gone));
  }

  /** A thread that died (its heap was full) is a fault like a missed deadline: a runner can bear more of those. */
  #watch(thread: ModelThread): void {
    void thread.exited.then(() => {
      if (this.#state.kind === "ready" && this.#threads.includes(thread)) void this.#onLate();
    });
  }
}
