import { type Clock, messageOf, PortolanError } from "@portolan/kernel";
import type { RunOutcome, RuntimeState, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { type Engine, within } from "./engine.ts";
import type { OnnxErrorCode } from "./errors.ts";
import type { Quarantine } from "./quarantine.ts";
import type { QuarantineVerdict } from "./quarantine-policy.ts";
import { type Death, Runner, type RunnerOptions } from "./runner.ts";

export interface RunnerEngineOptions extends RunnerOptions {
  readonly quarantine: Quarantine;
  readonly clock: Clock;
}

/** How often a quarantined model looks whether an operator lifted it; a pause's end is waited for exactly. */
const lookMs = 5000;
const firstRetryMs = 1000;
const longestRetryMs = 60_000;

/** A model in a runner process that is started again when it dies, while the quarantine lets it. */
export class RunnerEngine implements Engine {
  readonly #model: VerifiedModel;
  readonly #options: RunnerEngineOptions;
  #state: RuntimeState = { kind: "starting" };
  #runner: Runner | undefined;
  #closed = false;
  #later: NodeJS.Timeout | undefined;
  #failedStarts = 0;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  /** Who waits for the end of a restart. */
  #waiters: (() => void)[] = [];

  private constructor(model: VerifiedModel, options: RunnerEngineOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** @throws PortolanError `onnx.quarantined`, `onnx.load_failed` */
  static async start(model: VerifiedModel, options: RunnerEngineOptions): Promise<RunnerEngine> {
    const verdict = options.quarantine.judge(model.digest);
    if (verdict.kind === "quarantined") throw quarantined(model);
    const runnerModel = new RunnerEngine(model, options);
    if (verdict.kind === "paused") runnerModel.#hold(verdict);
    else await runnerModel.#startRunner();
    return runnerModel;
  }

  state(): RuntimeState {
    return this.#state.kind === "ready" && !this.#runner?.isAlive ? { kind: "starting" } : this.#state;
  }

  lanes(): number {
    return 1;
  }

  recovered(): Promise<void> {
    if (this.state().kind !== "starting") return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    this.#inFlight++;
    try {
      const startMs = performance.now();
      // A restart takes about a second: whoever has that time gets an answer.
      if (this.state().kind === "starting" && !(await within(this.recovered(), timeoutMs)))
        return { kind: "unavailable", detail: this.#describe() };
      const runner = this.#runner;
      const leftMs = Math.floor(timeoutMs - (performance.now() - startMs));
      if (!runner?.isAlive || this.#state.kind !== "ready")
        return { kind: "unavailable", detail: this.#describe() };
      if (leftMs < 1) return { kind: "timeout" };
      const outcome = await runner.run(inputs, leftMs);
      if (outcome.kind === "ok") this.#options.quarantine.answered(this.#model.digest);
      return outcome;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  /** Takes nothing new from now on, and ends once what is in flight is answered. */
  async close(): Promise<void> {
    const runner = this.#runner;
    this.#closed = true;
    this.#state = { kind: "closed" };
    this.#endWaiting();
    clearTimeout(this.#later);
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    runner?.kill("outside", "it was unloaded");
    await runner?.exited;
  }

  async #startRunner(): Promise<void> {
    const bytes = await this.#model.loadBytes();
    const runner = await Runner.start(this.#model, bytes, this.#options);
    if (this.#closed) {
      runner.kill("outside", "it was unloaded");
      return;
    }
    this.#failedStarts = 0;
    this.#runner = runner;
    const { micros, profile } = runner.measured;
    this.#state = { kind: "ready", tier: "runner", warmUpMicros: micros, profile };
    this.#endWaiting();
    void runner.exited.then((death) => this.#died(death));
  }

  #died(death: Death): void {
    this.#runner = undefined;
    if (this.#closed) return;
    const verdict = this.#options.quarantine.died(this.#model.digest, death.cause);
    if (verdict.kind === "free") void this.#restart();
    else this.#hold(verdict, death.detail);
  }

  async #restart(): Promise<void> {
    if (this.#closed) return;
    this.#state = { kind: "starting" };
    try {
      await this.#startRunner();
    } catch (error) {
      // The machine was busy or the bytes away: neither says anything about the model, so it is tried again.
      const retryMs = Math.min(firstRetryMs * 2 ** this.#failedStarts++, longestRetryMs);
      if (this.#closed) return;
      this.#state = {
        kind: "quarantined",
        detail: `it did not start again: ${messageOf(error)}; tried again every ${Math.round(retryMs / 1000)} s`,
      };
      this.#endWaiting();
      this.#after(retryMs, () => void this.#restart());
    }
  }

  /** Out of use until the quarantine says otherwise. */
  #hold(verdict: Exclude<QuarantineVerdict, { kind: "free" }>, reason?: string): void {
    const { quarantine, clock } = this.#options;
    const why = reason === undefined ? "" : ` (${reason})`;
    const waitMs = verdict.kind === "paused" ? Math.ceil((verdict.until - clock.now()) / 1000) : lookMs;
    const detail =
      verdict.kind === "paused"
        ? `its runner had to be ended ${verdict.interruptions} times in a row${why}; it is tried again by itself`
        : `its runner died twice${why}`;
    this.#state = { kind: "quarantined", detail };
    this.#endWaiting();
    this.#after(Math.max(1, waitMs), () => {
      const now = quarantine.judge(this.#model.digest);
      if (now.kind === "free") void this.#restart();
      else this.#hold(now, reason);
    });
  }

  #endWaiting(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #after(waitMs: number, then: () => void): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(then, waitMs).unref();
  }

  #describe(): string {
    switch (this.#state.kind) {
      case "quarantined":
        return `The model is quarantined: ${this.#state.detail}.`;
      case "starting":
        return "The model's runner is starting again.";
      case "ready":
        return "The model's runner has just ended and is starting again.";
      case "unavailable":
      case "closed":
        return "The model is not loaded.";
    }
  }
}

function quarantined(model: VerifiedModel): PortolanError<OnnxErrorCode> {
  return new PortolanError<OnnxErrorCode>("onnx.quarantined", {
    detail: `${model.label} killed its runner twice and is not loaded again.`,
    mend: "Deploy another version. To try this one again, remove its digest from the gateway's quarantine.json.",
  });
}
