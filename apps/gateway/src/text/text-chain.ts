import { type EpochMicros, isPortolanError } from "@portolan/kernel";
import type { RetryBudget, RunPriority, TextModel, TextRequest } from "@portolan/serving/policy";
import { badRequest, writeTextRequest } from "@portolan/serving/policy";
import { fault } from "../http/answers.ts";
import type { AnsweredBy, ChainFallback, FallbackReason } from "../infer/answer-chain.ts";
import { answerBy, shareMs, wasHurried } from "../infer/chain-budget.ts";
import type { HealthBook } from "../infer/health-book.ts";
import { callerGone, faultOf } from "../infer/run-model.ts";
import { displaced, isDisplaced } from "../infer/shed.ts";
import { hasEnded } from "../infer/standing-headers.ts";
import type { UpstreamCall, UpstreamCalls } from "../infer/upstream-calls.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { documentOf, firstEventOf, isEventStream } from "./first-answer.ts";
import { upstreamRefusal } from "./openai-errors.ts";

/** The beginning of a text answer: from here on no other version is asked. */
export interface TextBeginning {
  readonly by: ActiveRoute;
  readonly fallback?: ChainFallback;
  readonly contentType: string;
  /** Of a stream its first part; otherwise the whole answer. */
  readonly first: Uint8Array;
  /** What follows the first part of a stream. */
  readonly rest: AsyncIterator<Uint8Array>;
  /** Ends the upstream's work, where it has not ended. */
  readonly abort: () => void;
  /** To be called once, when the answer has ended; `isSound` when as it should. */
  readonly ended: (isSound: boolean) => void;
}

export interface TextAsked {
  readonly chosen: ActiveRoute;
  readonly champion: ActiveRoute;
  readonly request: TextRequest;
  readonly receivedAt: EpochMicros;
  readonly priority: RunPriority;
  /** Until the answer, or the first part of a stream. */
  readonly timeoutMs: number;
  readonly elapsedMs: () => number;
  /** Aborted when the caller has left. */
  readonly gone: AbortSignal;
  /** Absent where nobody is told of a trace. */
  readonly upstreams?: UpstreamCalls;
}

export type TextAttempt = { readonly kind: "begun"; readonly beginning: TextBeginning } | NotBegun;

interface NotBegun {
  readonly kind: "not";
  readonly reason: FallbackReason;
  readonly fault: Error;
  /** It had too little of its time left to say anything about it. */
  readonly wasHurried?: boolean;
}

/**
 * The chosen version, else the champion, else the versions of the charter's fallback chain. Rules and constants say nothing in text.
 * @throws PortolanError the first version's fault when none begins to answer; the request's own fault at once
 */
export async function beginText(health: HealthBook, asked: TextAsked): Promise<TextBeginning> {
  const [first, ...others] = versionsOf(asked);
  const parts = answerBy(others.map(() => "model"));
  const attempt = await tryVersion(health, asked, first.version, parts[0] ?? 1);
  if (attempt.kind === "begun") return attempt.beginning;
  for (const [at, { version, answeredBy }] of others.entries()) {
    // Whoever is turned away for want of capacity would only take it from somebody else.
    if (attempt.reason === "overloaded") break;
    const next = await tryVersion(health, asked, version, parts[at + 1] ?? 1);
    if (next.kind === "begun") {
      const fallback = { reason: attempt.reason, answeredBy, insteadOf: asked.chosen };
      return { ...next.beginning, fallback };
    }
  }
  throw attempt.fault;
}

interface Step {
  readonly version: ActiveRoute;
  readonly answeredBy: AnsweredBy;
}

function versionsOf({ chosen, champion, request, receivedAt }: TextAsked): [Step, ...Step[]] {
  const back = chosen === champion ? [] : [{ version: champion, answeredBy: "champion" as const }];
  const { secondary, previous } = champion.others;
  const steps = champion.route.fallbacks.flatMap(({ kind }): Step[] => {
    const version =
      kind === "secondary_model" ? secondary : kind === "previous_version" ? previous : undefined;
    return version ? [{ version, answeredBy: kind }] : [];
  });
  // A gateway without control keeps to the ends that were announced.
  const fit = [...back, ...steps].filter(
    ({ version }) => !hasEnded(version, receivedAt) && findMisfit(version, request) === undefined,
  );
  return [{ version: chosen, answeredBy: "champion" }, ...fit];
}

/** One version by itself. @throws its refusal of the request; an Error when the caller has left */
export async function tryVersion(
  health: HealthBook,
  asked: TextAsked,
  version: ActiveRoute,
  by: number,
): Promise<TextAttempt> {
  const { breaker, limit, retries } = health.of(version);
  const misfit = findMisfit(version, asked.request);
  if (misfit) throw misfit;
  if (isDisplaced(version)) return not("inaccurate", displaced(version));
  const text = version.model?.text;
  const startMs = performance.now();
  if (!breaker.admit(startMs)) return not("breaker_open", unavailable("The model failed again and again."));
  if (!limit.acquire(asked.priority)) {
    breaker.abstained();
    return not(
      "overloaded",
      fault("serving.overloaded", "As many requests are under way as can be.", "Try again."),
    );
  }
  let isUnderWay = false;
  const call = text && asked.upstreams?.begin(version);
  let failure = "bad_request";
  try {
    const begun = text
      ? await begin(text, asked, { by, longestMs: version.route.limits.timeoutMs, retries }, call)
      : not("unavailable", unavailable(version.problem?.detail ?? "The model is not loaded."));
    if (begun.kind === "not") {
      failure = begun.reason;
      if (asked.gone.aborted) throw callerGone();
      if (begun.reason === "overloaded" || begun.wasHurried) breaker.abstained();
      else breaker.failed(performance.now());
      return begun;
    }
    isUnderWay = true;
    const now = performance.now();
    // A version that begins to speak works, however long it speaks; how long a whole answer took says how long it is.
    breaker.succeeded(now, asked.request.isStream ? now - startMs : 0);
    const ended = (isSound: boolean): void => {
      if (!isSound) breaker.failed(performance.now());
      call?.end(isSound ? undefined : "broke_off");
      limit.release(0, performance.now());
    };
    return { kind: "begun", beginning: { ...begun.beginning, by: version, ended } };
  } catch (error) {
    breaker.abstained();
    throw error;
  } finally {
    if (!isUnderWay) {
      limit.release(undefined, performance.now());
      call?.end(asked.gone.aborted ? "client_gone" : failure);
    }
  }
}

/** Why the version takes no such request; `undefined` when it does. */
function findMisfit(version: ActiveRoute, request: TextRequest): Error | undefined {
  if (version.route.model.upstream?.protocol !== "openai")
    return badRequest(
      `${request.model} takes tensors, not text.`,
      "/model",
      `Ask it by POST /v2/models/${request.model}/infer.`,
    );
  const text = version.model?.text;
  if (text && !text.operations.includes(request.operation))
    return badRequest(
      `${request.model} does not do ${request.operation}.`,
      "/model",
      `It does ${text.operations.join(", ")}.`,
    );
  try {
    text?.prepare(request);
    return undefined;
  } catch (error) {
    if (isPortolanError(error)) return error;
    throw error;
  }
}

type Begun = { readonly kind: "begun"; readonly beginning: Omit<TextBeginning, "by" | "ended"> } | NotBegun;

interface Time {
  /** The part of the whole by which the version has to have begun; the rest is kept for further ones. */
  readonly by: number;
  /** The charter's whole time. */
  readonly longestMs: number;
  readonly retries: RetryBudget;
}

async function begin(
  text: TextModel,
  asked: TextAsked,
  { by, longestMs, retries }: Time,
  call: UpstreamCall | undefined,
): Promise<Begun> {
  const { request, gone: left, timeoutMs } = asked;
  const control = new AbortController();
  const abort = (): void => control.abort();
  left.addEventListener("abort", abort, { once: true });
  if (left.aborted) abort();
  const leftMs = shareMs(asked, by);
  const timer = setTimeout(abort, Math.max(1, leftMs));
  const late = (): NotBegun => ({
    ...not("timeout", faultOf({ kind: "timeout" }, timeoutMs)),
    wasHurried: wasHurried(leftMs, longestMs, by),
  });
  let isUnderWay = false;
  try {
    const body = writeTextRequest(text.prepare(request), text.name);
    const outcome = await text.ask(request.operation, body, control.signal, {
      retries,
      ...(call ? { trace: call.headers } : {}),
    });
    if (outcome.kind === "refused") throw upstreamRefusal(outcome.body);
    if (outcome.kind === "timeout") return late();
    if (outcome.kind !== "answered") return not(outcome.kind, faultOf(outcome, timeoutMs));
    const rest = outcome.body[Symbol.asyncIterator]();
    const { contentType } = outcome;
    if (request.isStream && !isEventStream(contentType))
      return not("unavailable", unavailable("The upstream answered with no stream."));
    const first = request.isStream ? await firstEventOf(rest) : await documentOf(rest);
    if (!first) return not("unavailable", unavailable("The upstream broke off before it answered."));
    isUnderWay = true;
    // An abort makes an exception, which costs more than all else here: a body that was read to its end needs none.
    const end = (): void => {
      left.removeEventListener("abort", abort);
      if (request.isStream) abort();
    };
    if (!request.isStream) end();
    return { kind: "begun", beginning: { contentType, first, rest, abort: end } };
  } catch (error) {
    if (control.signal.aborted) return late();
    if (isPortolanError(error)) throw error;
    return not("unavailable", unavailable("The upstream broke off before it answered."));
  } finally {
    clearTimeout(timer);
    if (!isUnderWay) {
      left.removeEventListener("abort", abort);
      abort();
    }
  }
}

function not(reason: FallbackReason, error: Error): NotBegun {
  return { kind: "not", reason, fault: error };
}

function unavailable(detail: string): Error {
  return fault("serving.model_unavailable", detail, "Try again in a moment.");
}
