import { messageOf, PortolanError } from "@portolan/kernel";
import type { LoadedModel, RunOutcome, RuntimeState, Tensor, VerifiedModel } from "@portolan/serving/policy";
import type { OnnxErrorCode } from "./errors.ts";
import type { Quarantine } from "./quarantine.ts";
import { Runner, type RunnerOptions } from "./runner.ts";

/** A model in a runner process that is started again when it dies, until the model is quarantined. */
export class RunnerModel implements LoadedModel {
  readonly #model: VerifiedModel;
  readonly #options: RunnerOptions;
  readonly #quarantine: Quarantine;
  #state: RuntimeState = { kind: "starting" };
  #runner: Runner | undefined;
  #expectedEnd = false;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  private constructor(model: VerifiedModel, options: RunnerOptions, quarantine: Quarantine) {
    this.#model = model;
    this.#options = options;
    this.#quarantine = quarantine;
  }

  static async start(
    model: VerifiedModel,
    options: RunnerOptions,
    quarantine: Quarantine,
  ): Promise<RunnerModel> {
    if (quarantine.holds(model.digest)) throw quarantined(model);
    const runnerModel = new RunnerModel(model, options, quarantine);
    await runnerModel.#startRunner();
    return runnerModel;
  }

  state(): RuntimeState {
    return this.#state.kind === "ready" && !this.#runner?.isAlive ? { kind: "starting" } : this.#state;
  }

  async run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    const runner = this.#runner;
    if (!runner?.isAlive || this.#state.kind !== "ready")
      return { kind: "unavailable", detail: this.#describe() };
    this.#inFlight++;
    try {
      return await runner.run(inputs, timeoutMs);
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#expectedEnd = true;
    this.#state = { kind: "closed" };
    const runner = this.#runner;
    runner?.kill("it was unloaded");
    await runner?.exited;
  }

  async #startRunner(): Promise<void> {
    const bytes = await this.#model.loadBytes();
    const runner = await Runner.start(this.#model, bytes, this.#options);
    this.#runner = runner;
    this.#state = { kind: "ready", tier: "runner", warmUpMicros: runner.warmUpMicros };
    void runner.exited.then((reason) => this.#died(reason));
  }

  async #died(reason: string): Promise<void> {
    this.#runner = undefined;
    if (this.#expectedEnd) return;
    if (this.#quarantine.strike(this.#model.digest)) {
      this.#state = { kind: "quarantined", detail: `its runner died twice (${reason})` };
      return;
    }
    this.#state = { kind: "starting" };
    try {
      await this.#startRunner();
    } catch (error) {
      this.#state = { kind: "quarantined", detail: `it did not start again: ${messageOf(error)}` };
    }
  }

  #describe(): string {
    switch (this.#state.kind) {
      case "quarantined":
        return `The model is quarantined: ${this.#state.detail}.`;
      case "starting":
        return "The model's runner is starting again.";
      case "ready":
        return "The model's runner has just ended and is starting again.";
      case "closed":
        return "The model is not loaded.";
    }
  }
}

function quarantined(model: VerifiedModel): PortolanError<OnnxErrorCode> {
  return new PortolanError<OnnxErrorCode>("onnx.quarantined", {
    detail: `${model.label} killed its runner twice and is not loaded again.`,
    mend: "Deploy another version. To try this one again, remove it from the gateway's quarantine.json.",
  });
}
