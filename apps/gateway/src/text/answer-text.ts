import type { IncomingMessage } from "node:http";
import { newId } from "@portolan/kernel";
import {
  readTextRequest,
  TextMeter,
  type TextOperation,
  type TextRequest,
  type TokenReservation,
  tokensToReserve,
} from "@portolan/serving/policy";
import { type Answer, fault } from "../http/answers.ts";
import { type CallerGone, watchCaller } from "../http/caller-gone.ts";
import { readBody } from "../http/read-body.ts";
import { admit, chosenVersion, isKnownHere, takeTurn } from "../infer/admission.ts";
import { conclude } from "../infer/conclude.ts";
import { flaggedVersion, flagHeader } from "../infer/flagged-version.ts";
import { type InferDeps, refusePrediction } from "../infer/infer.ts";
import { noteSubject, type Progress, sinceMicros } from "../infer/progress.ts";
import { callerGone } from "../infer/run-model.ts";
import { answerBy, standingHeaders, tellWhoAnswered } from "../infer/standing-headers.ts";
import { upstreamCallsOf } from "../infer/upstream-calls.ts";
import { rateHeaders } from "../limits/caller-limits.ts";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { mirrorText } from "./mirror-text.ts";
import { inOpenAiShape } from "./openai-errors.ts";
import { relayStream } from "./relay-stream.ts";
import { beginText, type TextAsked, type TextBeginning } from "./text-chain.ts";
import { endText, type TextAnswering } from "./text-ending.ts";
import { legacyHeaders, takeTokens } from "./token-limits.ts";

/** Read before the endpoint is known, which the body names; the endpoint's own bound is asked after. */
const mostBodyBytes = 4 * 1024 * 1024;

/**
 * One request of the OpenAI-compatible protocol: the same admission, limits, versions and records as every prediction. A stream is
 * recorded when it ends.
 */
export async function answerText(
  deps: InferDeps,
  state: ServingState,
  request: IncomingMessage,
  operation: TextOperation,
): Promise<Answer> {
  const receivedAt = deps.clock.now();
  const address = request.socket.remoteAddress ?? "unknown";
  const progress: Progress = {
    requestId: newId("request", receivedAt),
    receivedAt,
    startMs: performance.now(),
    principal: address,
    isOutside: deps.isOutside(address),
    headers: {},
  };
  if (deps.traces) progress.traced = deps.traces.begin(request);
  const caller = watchCaller(request);
  try {
    return await generate(deps, state, { request, operation, progress, caller });
  } catch (error) {
    caller.end();
    const { limit } = progress.admission ?? {};
    if (limit) progress.headers = { ...progress.headers, ...legacyHeaders(limit, performance.now()) };
    const answer = inOpenAiShape(error, await refusePrediction(deps, state, progress, error));
    conclude(deps, progress, answer);
    return answer;
  }
}

interface TextArrival {
  readonly request: IncomingMessage;
  readonly operation: TextOperation;
  readonly progress: Progress;
  readonly caller: CallerGone;
}

function requireFits(body: Uint8Array, { route }: ActiveRoute): void {
  const most = route.limits.bodyBytes;
  if (body.length > most)
    throw fault("serving.body_too_large", `The body exceeds ${most} bytes.`, "Send less at a time.");
}

async function generate(deps: InferDeps, state: ServingState, arrival: TextArrival): Promise<Answer> {
  const { request, operation, progress, caller } = arrival;
  const source = callOf(request);
  if (!isKnownHere(state, source, progress.receivedAt)) await requireKnown(deps, state, source);
  const body = await readBody(request, mostBodyBytes);
  progress.body = body;
  // What was taken away while the body came counts.
  const current = deps.snapshots.state ?? state;
  const readyMs = performance.now();
  const asked = readTextRequest(operation, body);
  const call = { ...source, model: asked.model };
  const admission = await admit(deps, current, call, progress);
  noteSubject(progress, call.headers);
  const { champion, limit } = admission;
  requireFits(body, champion);
  progress.headers = {
    ...standingHeaders(champion, current, progress.receivedAt),
    "x-request-id": progress.requestId,
  };
  const priority = await takeTurn(deps, admission);
  progress.authMicros = sinceMicros(progress);
  const flagged = flaggedVersion(admission, call);
  if (flagged) {
    progress.flag = flagged.flag;
    progress.headers["x-portolan-flag"] = flagHeader(flagged.flag);
  }
  // Text has no way to name a version.
  const drawn = chosenVersion(admission, call, progress.requestId, flagged);
  const chosen = answerBy(progress, drawn, champion, false);
  const { timeoutMs } = chosen.route.limits;
  const { prepared, estimate } = estimateFor(chosen, asked);
  const leftMs = Math.max(1, timeoutMs - (performance.now() - readyMs));
  const reservation = await takeTokens(deps.limits, limit, estimate, leftMs);
  const upstreams = upstreamCallsOf(progress, request.headers);
  if (upstreams) progress.upstreams = upstreams;
  const text: TextAsked = {
    chosen,
    champion,
    request: asked,
    receivedAt: progress.receivedAt,
    priority,
    timeoutMs,
    elapsedMs: () => performance.now() - readyMs,
    gone: caller.signal,
    ...(upstreams ? { upstreams } : {}),
  };
  const beginning = await begin(deps, text, reservation, prepared.estimate.promptTokens);
  tellWhoAnswered(progress, beginning);
  const answering: TextAnswering = {
    deps,
    asked: text,
    beginning,
    admission,
    progress,
    reservation,
    meter: new TextMeter(prepared),
    ...(asked.isStream ? { firstTokenMicros: sinceMicros(progress) } : {}),
  };
  return asked.isStream ? streamed(answering, caller) : whole(answering, caller);
}

/**
 * What a version's own prompt adds is charged too; what it does not take is refused before anything is.
 * @throws PortolanError `serving.bad_request`
 */
function estimateFor({ model }: ActiveRoute, asked: TextRequest) {
  const prepared = model?.text?.prepare(asked) ?? asked;
  return { prepared, estimate: tokensToReserve(prepared, model?.text?.contextTokens) };
}

/** What nobody answered used nothing. */
async function begin(
  { health }: InferDeps,
  asked: TextAsked,
  reservation: TokenReservation | undefined,
  promptTokens: number,
): Promise<TextBeginning> {
  if (asked.gone.aborted) {
    // It left while it waited for its tokens: nobody was asked.
    reservation?.settle(performance.now(), 0);
    throw callerGone();
  }
  try {
    return await beginText(health, asked);
  } catch (error) {
    // The upstream may have worked for a caller that left.
    reservation?.settle(performance.now(), asked.gone.aborted ? promptTokens : 0);
    throw error;
  }
}

async function whole(answering: TextAnswering, caller: CallerGone): Promise<Answer> {
  const { beginning, meter } = answering;
  const { first } = beginning;
  caller.end();
  // Nothing begins that is not a whole document of JSON.
  meter.note(JSON.parse(Buffer.from(first).toString("utf8")));
  const id = await endText(answering, "ok", { kept: first, bytes: first.length });
  mirrorText(answering);
  return {
    status: 200,
    code: "",
    contentType: "application/json",
    body: first,
    headers: { ...headersOf(answering), "x-portolan-prediction-id": id },
  };
}

function streamed(answering: TextAnswering, caller: CallerGone): Answer {
  const log = answering.deps.writer.status().state;
  if (log !== "open" && log !== "degraded") {
    answering.beginning.abort();
    answering.beginning.ended(true);
    answering.reservation?.settle(performance.now(), answering.meter.usage().promptTokens);
    throw fault("serving.log_unavailable", "The answer could not be recorded.", "Try again in a moment.");
  }
  return {
    status: 200,
    code: "",
    contentType: "text/event-stream",
    body: "",
    stream: relayStream(answering, () => caller.end()),
    stallMs: answering.asked.timeoutMs,
    headers: { ...headersOf(answering), "cache-control": "no-cache" },
  };
}

function headersOf({ admission, beginning, progress }: TextAnswering): Record<string, string> {
  const nowMs = performance.now();
  const { fallback } = beginning;
  return {
    ...progress.headers,
    ...rateHeaders(admission.limit, nowMs),
    ...legacyHeaders(admission.limit, nowMs),
    "x-portolan-tier": "upstream",
    ...(fallback
      ? { "x-portolan-fallback": fallback.reason, "x-portolan-answered-by": fallback.answeredBy }
      : {}),
  };
}

function callOf(request: IncomingMessage) {
  const { headers, socket } = request;
  return { model: "", headers, remoteAddress: socket.remoteAddress ?? "unknown", connection: socket };
}

/** Nobody's body is read whose credential does not count. */
async function requireKnown(
  { authenticator }: InferDeps,
  state: ServingState,
  call: ReturnType<typeof callOf>,
): Promise<void> {
  const known = await authenticator.authenticate(call.headers.authorization, state, call);
  if (known.kind === "unknown")
    throw fault(
      "serving.unauthenticated",
      "The request carries no credential that counts here.",
      "Send `Authorization: Bearer` with a valid API key or access token.",
    );
}
