import { setTimeout as sleep } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { ScoringErrorCode, UpstreamTerms, UpstreamUse } from "@portolan/scoring";
import { type LoadedModel, RetryBudget, type RunOutcome, withText } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked } from "./chunk-messages.ts";
import { RequestPace } from "./request-pace.ts";

/** A batch stays a small part of what a server answers, however many its endpoint may have under way. */
const mostAtOnce = 8;
const firstPauseMs = 100;
const longestPauseMs = 5000;
/** As long the server may answer nothing before the batch is put off. */
const defaultPatienceMs = 60_000;

export interface UpstreamCallerOptions {
  /** Default: a minute. */
  readonly patienceMs?: number;
}

/**
 * Has another server score rows, within what the version's endpoint may ask of it: timeout, requests at once, retries. A server that is
 * busy or away is waited for; one that says so costs no retry, as it did not begin with what was asked. What it refuses is for the caller to judge.
 */
export class UpstreamCaller {
  readonly #model: LoadedModel;
  readonly #terms: UpstreamTerms;
  readonly #signal: AbortSignal;
  readonly #pace: RequestPace;
  readonly #retries: RetryBudget;
  readonly #patienceMs: number;
  #requests = 0;
  #busyMs = 0;
  #asking = 0;
  /** When the server last answered rows, or had something to answer again. */
  #answeredMs = 0;

  /** @param signal ends every wait and every request */
  constructor(
    model: LoadedModel,
    terms: UpstreamTerms,
    signal: AbortSignal,
    { patienceMs = defaultPatienceMs }: UpstreamCallerOptions = {},
  ) {
    this.#model = model;
    this.#terms = terms;
    this.#signal = signal;
    this.#pace = new RequestPace(Math.min(mostAtOnce, terms.mostAtOnce));
    this.#retries = new RetryBudget(terms.retryShare);
    this.#patienceMs = patienceMs;
  }

  /** What was asked of the server so far. */
  get use(): UpstreamUse {
    return { requests: this.#requests, busyMicros: Math.round(this.#busyMs * 1000) };
  }

  /**
   * @throws PortolanError `scoring.upstream_away` when the server did not answer for as long as a batch waits, `scoring.chunk_failed` when
   * one row alone takes it longer than the endpoint's timeout every time
   */
  async answer(asked: RowsAsked): Promise<RowsAnswered> {
    if (this.#asking === 0) this.#answeredMs = performance.now();
    this.#asking++;
    try {
      return await this.#answer(asked);
    } finally {
      this.#asking--;
    }
  }

  async #answer({ id, rows, inputs }: RowsAsked): Promise<RowsAnswered> {
    /** Since when one row alone is late: what the server answers to others meanwhile gives it no more time. */
    let lateSinceMs: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      const outcome = await this.#ask(inputs);
      if (outcome.kind === "ok") {
        this.#answeredMs = performance.now();
        const outputs = outcome.outputs.map(withText);
        const texts = outputs.filter((output) => output !== undefined);
        return texts.length === outputs.length
          ? { kind: "ran", id, outputs: texts }
          : { kind: "refused", id, reason: "an output is no UTF-8" };
      }
      if (outcome.kind === "failed") {
        this.#answeredMs = performance.now();
        return { kind: "refused", id, reason: outcome.detail };
      }
      if (outcome.kind === "timeout" && rows > 1) {
        // Fewer rows may be answered in time: they are given as long as these were.
        this.#answeredMs = performance.now();
        return { kind: "late", id };
      }
      if (outcome.kind === "timeout") lateSinceMs ??= performance.now();
      await this.#mayTryAgain(outcome, pauseMs, outcome.kind === "timeout" ? lateSinceMs : undefined);
    }
  }

  /** @param sinceMs default: the server's last answer. However long a request waited for its turn, while others are answered the server is there. */
  #isPatienceOver(sinceMs = this.#answeredMs): boolean {
    return performance.now() >= sinceMs + this.#patienceMs;
  }

  async #ask(inputs: RowsAsked["inputs"]): Promise<RunOutcome> {
    await this.#untilReady();
    await this.#pace.enter();
    const startMs = performance.now();
    let outcome: RunOutcome | undefined;
    try {
      const { timeoutMs } = this.#terms;
      this.#requests++;
      outcome = await this.#model.run(inputs, { timeoutMs, retries: this.#retries, gone: this.#signal });
      return outcome;
    } finally {
      this.#busyMs += performance.now() - startMs;
      this.#pace.leave(paceOf(outcome));
    }
  }

  /** A server that is known to be away is not asked: its health checks go on beside. */
  async #untilReady(): Promise<void> {
    for (;;) {
      const state = this.#model.state();
      if (state.kind === "ready") return;
      const why = state.kind === "unavailable" ? state.detail : "it has not answered yet";
      if (this.#isPatienceOver()) throw away(why);
      await this.#sleep(firstPauseMs);
    }
  }

  /** Waits as long as the server is given, and for a place in the budget of retries where the server may have begun. */
  async #mayTryAgain(
    outcome: Exclude<RunOutcome, { kind: "ok" | "failed" }>,
    pauseMs: number,
    sinceMs: number | undefined,
  ): Promise<void> {
    await this.#sleep(pauseMs);
    for (;;) {
      // A server that is known to be away is waited for beside its health checks, which costs no retry.
      if (this.#model.state().kind !== "ready") return;
      if (this.#isPatienceOver(sinceMs)) break;
      if (saidBusy(outcome) || this.#retries.spend(performance.now())) return;
      await this.#sleep(firstPauseMs);
    }
    if (outcome.kind === "timeout")
      throw new PortolanError<ScoringErrorCode>("scoring.chunk_failed", {
        detail: `the upstream did not answer for one row within ${this.#terms.timeoutMs} ms, for ${Math.round(this.#patienceMs / 1000)} s`,
        mend: "Have the charter allow a longer latency, or the server answer sooner.",
      });
    throw away(outcome.detail);
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal });
  }
}

/** 429 and 503, and what gRPC has for them: trying again repeats no work; the pause and the pace keep it rare. */
function saidBusy(outcome: RunOutcome): boolean {
  return outcome.kind === "overloaded" || (outcome.kind === "unavailable" && outcome.isBusy === true);
}

function paceOf(outcome: RunOutcome | undefined): Parameters<RequestPace["leave"]>[0] {
  if (outcome?.kind === "ok") return "answered";
  return outcome === undefined || outcome.kind === "failed" ? "none" : "pressed";
}

export function away(why: string): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.upstream_away", {
    detail: `the server that runs the version does not answer: ${why}`,
    mend: "The scoring goes on by itself once it does; see its address and its credential in docs/upstreams.md.",
  });
}
