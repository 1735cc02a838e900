import type { Logger } from "@portolan/kernel";
import type {
  LoadedModel,
  ModelUsage,
  RunOptions,
  RunOutcome,
  RuntimeState,
  Tensor,
} from "@portolan/serving/policy";
import { Availability } from "../availability.ts";
import { mostConnections, tooMany } from "../connection.ts";
import type { InferenceClient } from "./inference-client.ts";
import { differenceOf, type ModelFacts } from "./model-facts.ts";

const checkMs = 2000;

/** A model that a server of the Open Inference Protocol runs, such as Triton, KServe, or another gateway. */
export class OpenInferenceModel implements LoadedModel {
  readonly #client: InferenceClient;
  readonly #registered: ModelFacts;
  readonly #availability: Availability;
  #inFlight = 0;
  #busyMs = 0;
  #countedMs = performance.now();

  constructor(client: InferenceClient, registered: ModelFacts, label: string, log: Logger) {
    this.#client = client;
    this.#registered = registered;
    this.#availability = new Availability({ label, log, check: (isThorough) => this.#check(isThorough) });
  }

  /** Waits for the server for a moment; one that is away is loaded all the same, and comes when it can. */
  start(waitMs: number): Promise<void> {
    return this.#availability.start(waitMs);
  }

  state(): RuntimeState {
    return this.#availability.state;
  }

  usage(): ModelUsage {
    this.#count(0);
    return {
      lanes: mostConnections,
      busyMs: this.#busyMs,
      queuedRows: 0,
      inFlight: this.#inFlight,
    };
  }

  async run(inputs: readonly Tensor[], { timeoutMs, trace, gone, retries }: RunOptions): Promise<RunOutcome> {
    const { refusal } = this.#availability;
    if (refusal !== undefined) return { kind: "unavailable", detail: refusal };
    if (this.#inFlight >= mostConnections) return { kind: "overloaded", detail: tooMany };
    const startMs = performance.now();
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const timer = setTimeout(end, timeoutMs);
    gone?.addEventListener("abort", end, { once: true });
    if (gone?.aborted) end();
    this.#count(1);
    try {
      const { signal } = ended;
      const registered = this.#registered;
      const outcome = await this.#client.infer({ inputs, registered, timeoutMs, signal, trace, retries });
      if (outcome.kind === "unavailable") this.#availability.lookSoon();
      return outcome;
    } catch {
      if (gone?.aborted) return { kind: "timeout", ranMs: performance.now() - startMs };
      if (ended.signal.aborted) return { kind: "timeout" };
      this.#availability.lookSoon();
      return { kind: "unavailable", detail: "The upstream cannot be reached, or broke off." };
    } finally {
      clearTimeout(timer);
      gone?.removeEventListener("abort", end);
      this.#count(-1);
    }
  }

  async close(): Promise<void> {
    await this.#availability.close();
    await this.#client.close();
  }

  async #check(isThorough: boolean): Promise<string | undefined> {
    await this.#client.renewCredential();
    await this.#client.requireReady(checkMs);
    if (!isThorough) return undefined;
    const facts = await this.#client.facts(checkMs);
    const difference = differenceOf(this.#registered.signature, facts.signature);
    if (difference !== undefined)
      return `The upstream serves another model than the registered one: ${difference}.`;
    return this.#registered.binaryTensors && !facts.binaryTensors
      ? "The upstream no longer offers the binary tensor extension."
      : undefined;
  }

  #count(change: number): void {
    const now = performance.now();
    this.#busyMs += this.#inFlight * (now - this.#countedMs);
    this.#countedMs = now;
    this.#inFlight += change;
  }
}
