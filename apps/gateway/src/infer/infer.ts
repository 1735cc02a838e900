import { type Clock, type Environment, earlyMessages, newId } from "@portolan/kernel";
import type { ModelSignature } from "@portolan/onnx-format";
import { badRequest, type InferRequest, type RunPriority, rowsOf } from "@portolan/serving/policy";
import { type Answer, errorAnswer } from "../http/answers.ts";
import { rateHeaders, setRateHeaders } from "../limits/caller-limits.ts";
import type { ExtractionGuard } from "../limits/extraction/extraction-guard.ts";
import { type ActiveRoute, nowhere, type ServingState } from "../snapshot/serving-state.ts";
import { type Admission, type AdmissionDeps, admit, chosenVersion, takeTurn } from "./admission.ts";
import { findRoute, readPurpose } from "./admit.ts";
import { type Asked, answerByChain, type ChainAnswer } from "./answer-chain.ts";
import { setAnswerHeaders } from "./answer-headers.ts";
import { type ConcludeDeps, conclude } from "./conclude.ts";
import { countAnswer } from "./count-answers.ts";
import { countForDrift } from "./count-for-drift.ts";
import { featuresParameter } from "./features-used.ts";
import { flaggedVersion, flagHeader } from "./flagged-version.ts";
import type { InferCall } from "./infer-call.ts";
import { LoopTurn } from "./loop-turn.ts";
import { type MirrorDeps, mirror } from "./mirror.ts";
import type { IsOutside } from "./outside-callers.ts";
import { latencyOf, noteSubject, type Progress, serverTiming } from "./progress.ts";
import { appendRecord, notRecorded, submitAnswer } from "./record-prediction.ts";
import { recordRefusal } from "./refusal.ts";
import { type ShedReason, shedAnswer, shedReason } from "./shed.ts";
import { answerBy, standingHeaders, tellWhoAnswered } from "./standing-headers.ts";
import type { StatisticsBook } from "./statistics-book.ts";
import { upstreamCallsOf } from "./upstream-calls.ts";

export interface InferDeps extends MirrorDeps, AdmissionDeps, ConcludeDeps {
  readonly clock: Clock;
  /** What is refused before anybody knows for which environment is filed under this one: the last that this gateway serves. */
  readonly homeEnvironment: Environment;
  readonly statistics: StatisticsBook;
  /** Whether an answer to this address leaves the networks inside. */
  readonly isOutside: IsOutside;
  /** Watches how clients ask; absent when nobody does. */
  readonly guard: ExtractionGuard | undefined;
  /** What is served now; a request may have begun under an earlier state. */
  readonly snapshots: { readonly state: ServingState | undefined };
}

/** One inference, from headers to answer. Whatever happens, it is on the record before it is answered. */
export async function infer(deps: InferDeps, state: ServingState, call: InferCall): Promise<Answer> {
  const receivedAt = deps.clock.now();
  const progress: Progress = {
    requestId: newId("request", receivedAt),
    receivedAt,
    startMs: performance.now(),
    principal: call.remoteAddress,
    isOutside: deps.isOutside(call.remoteAddress),
    headers: {},
  };
  if (deps.traces) progress.traced = deps.traces.begin(call);
  let answer: Answer;
  try {
    answer = await predict(deps, state, call, progress);
  } catch (error) {
    answer = await refusePrediction(deps, state, progress, error);
  }
  conclude(deps, progress, answer);
  return answer;
}

const turn = new LoopTurn();

async function predict(
  deps: InferDeps,
  state: ServingState,
  call: InferCall,
  progress: Progress,
): Promise<Answer> {
  // Under many requests a turn of the loop is long: models and the log would stand idle until its end.
  earlyMessages.take(progress.startMs);
  const waitedMs = turn.waitedMs(progress.startMs);
  // What is known at once is not awaited: each turn of the loop costs as much as the decision.
  const asAdmitted = admit(deps, state, call, progress);
  const admitted = asAdmitted instanceof Promise ? await asAdmitted : asAdmitted;
  progress.headers = standingHeaders(admitted.champion, state, progress.receivedAt);
  noteSubject(progress, call.headers);
  const limited = takeTurn(deps, admitted);
  const priority = typeof limited === "string" ? limited : await limited;
  progress.authMicros = Math.round((performance.now() - progress.startMs) * 1000);
  if (call.version !== undefined) progress.namesVersion = true;
  const candidate = chosenVersion(admitted, call, progress.requestId);
  const versions = { chosen: candidate, champion: admitted.champion };
  const reason = shedReason(deps.health, versions, priority, waitedMs);
  if (reason) {
    progress.active = candidate;
    return shed(deps, state, progress, admitted, reason);
  }
  const body = await call.readBody(admitted.champion.route.limits.bodyBytes);
  progress.body = body;
  // From here to the model's queue nothing is awaited: a model that is open now takes the request before it closes.
  const admission = stillServing(deps, admitted, call, progress);
  // The charter's time runs from the request's last byte: a slow sender spends its own time, not the model's.
  const readyMs = performance.now();
  const flagged = flaggedVersion(admission, call);
  if (flagged) progress.flag = flagged.flag;
  const drawn = chosenVersion(admission, call, progress.requestId, flagged);
  const chosen = answerBy(progress, drawn, admission.champion, call.version !== undefined);
  const upstreams = upstreamCallsOf(progress, call.headers);
  if (upstreams) progress.upstreams = upstreams;
  requireTensors(chosen);
  const request = call.read(body, chosen.requestSignature, chosen.bytesForm);
  const readMs = performance.now() - readyMs;
  chargeRows(admission, request, readyMs);
  const asked: Asked = {
    chosen,
    champion: admission.champion,
    request,
    readFor: (version) => call.read(body, version.requestSignature, version.bytesForm),
    receivedAt: progress.receivedAt,
    priority: priorityOf(request, priority),
    timeoutMs: timeoutOf(request, chosen),
    elapsedMs: () => performance.now() - readyMs,
    upstreams,
  };
  const answer = await answerFor(deps, asked, call);
  const { featuresMicros, queueMicros, runMicros, fallback } = answer;
  const isFallback = fallback !== undefined;
  tellWhoAnswered(progress, answer);
  progress.timed = { featuresMicros, queueMicros, runMicros, readyMs: readyMs + readMs, isFallback };
  return await reply(deps, call, { asked, answer, admission, progress, readMs });
}

/** Servers elsewhere are told when the caller leaves; what runs here is over before that pays. */
function answerFor(deps: InferDeps, asked: Asked, call: InferCall): Promise<ChainAnswer> {
  const { chosen, champion } = asked;
  return runsElsewhere(chosen) || runsElsewhere(champion) || champion.others.backends.some(runsElsewhere)
    ? answerWhileAwaited(deps, asked, call)
    : answerByChain(deps, asked);
}

async function answerWhileAwaited(deps: InferDeps, asked: Asked, call: InferCall): Promise<ChainAnswer> {
  const caller = call.watchCaller();
  try {
    return await answerByChain(deps, { ...asked, gone: caller.signal });
  } finally {
    caller.end();
  }
}

function runsElsewhere({ route }: ActiveRoute): boolean {
  return route.model.upstream !== undefined;
}

/** @throws PortolanError `serving.bad_request` for a version that speaks text, or a datatype that only servers elsewhere compute */
function requireTensors({ route, model, requestSignature }: ActiveRoute): void {
  const { upstream } = route.model;
  if (upstream === undefined && model === undefined) requireForms(route.endpoint, requestSignature);
  if (upstream?.protocol !== "openai") return;
  throw badRequest(
    `${route.endpoint} takes text, not tensors.`,
    "",
    "Ask it by POST /v1/chat/completions, with its name as the model.",
  );
}

/** A model that was not loaded may be one that cannot be. */
function requireForms(endpoint: string, { inputs, outputs }: ModelSignature): void {
  const tensor = [...inputs, ...outputs].find(({ datatype }) => datatype === "BF16");
  if (!tensor) return;
  throw badRequest(
    `"${tensor.name}" of ${endpoint} is BF16, which no runtime of this gateway computes.`,
    "",
    "Have another server run the model (portolan model register-upstream), or export it with FP16 or FP32.",
  );
}

interface Answered {
  readonly asked: Asked;
  readonly answer: ChainAnswer;
  readonly admission: Admission;
  readonly progress: Progress;
  readonly readMs: number;
}

async function reply(deps: InferDeps, call: InferCall, answered: Answered): Promise<Answer> {
  const { asked, answer, admission, progress } = answered;
  const { by, fallback, request } = answer;
  const writeStart = performance.now();
  const written = call.write(
    {
      modelName: call.model,
      modelVersion: String(by.route.model.version),
      id: request.id,
      parameters: parametersOf(answer),
      outputs: answer.outputs,
    },
    request,
  );
  const logStart = performance.now();
  progress.logStartMs = logStart;
  let id: string;
  try {
    const submitted = submitAnswer(deps.writer, progress, call, { answer, written });
    await submitted.written;
    ({ id } = submitted);
  } catch (cause) {
    throw notRecorded(cause);
  }
  const endMs = performance.now();
  progress.logEndMs = endMs;
  if (!fallback) note(deps, answered, { outputMs: logStart - writeStart, totalMs: endMs - progress.startMs });
  countForDrift(deps.drift, progress, call, answer);
  if (!fallback) deps.guard?.observe(by, admission.caller.principalId, request.inputs, answer.outputs);
  if (asked.champion.others.shadows.length > 0) mirror(deps, asked, call, progress);
  // Set one by one: putting objects together by spreading them takes several times as long.
  const headers: Record<string, string> = { ...progress.headers };
  setRateHeaders(headers, admission.limit, endMs);
  for (const name in written.headers) headers[name] = written.headers[name] ?? "";
  headers["x-portolan-prediction-id"] = id;
  headers["server-timing"] = serverTiming(progress, answer, Math.round((endMs - logStart) * 1000));
  setAnswerHeaders(headers, deps.metrics, answer);
  if (progress.flag) headers["x-portolan-flag"] = flagHeader(progress.flag);
  countAnswer(deps.metrics, answer);
  return { status: 200, code: "", contentType: written.contentType, body: written.body, headers };
}

const noParameters: Readonly<Record<string, string>> = {};

/** Who answered where it was not the model, and how fresh the features are that were read. */
function parametersOf({ by, fallback, used }: ChainAnswer): Readonly<Record<string, string>> {
  const features = featuresParameter(by.route.features, used);
  if (!fallback && features === undefined) return noParameters;
  return {
    ...(fallback ? { fallback: fallback.reason, answered_by: fallback.answeredBy } : undefined),
    ...(features === undefined ? undefined : { features }),
  };
}

function note(
  deps: InferDeps,
  { answer, readMs }: Answered,
  { outputMs, totalMs }: { readonly outputMs: number; readonly totalMs: number },
): void {
  const rows = rowsOf(answer.request.inputs[0]?.shape ?? []);
  deps.statistics.of(answer.by).succeeded(
    {
      rows,
      batchRows: answer.batchRows ?? rows,
      cache: answer.cache,
      totalNs: nanos(totalMs),
      queueNs: (answer.queueMicros ?? 0) * 1000,
      inputNs: nanos(readMs) + (answer.featuresMicros ?? 0) * 1000,
      inferNs: (answer.runMicros ?? 0) * 1000,
      outputNs: nanos(outputMs),
    },
    Math.floor(deps.clock.now() / 1000),
  );
}

/** Rows beyond the one that admission took, where the charter counts rows. */
function chargeRows({ limit }: Admission, { inputs }: InferRequest, nowMs: number): void {
  if (limit.countsRows) limit.limit.settle(nowMs, 1, rowsOf(inputs[0]?.shape ?? []));
}

/** `priority` of the schedule_policy extension, 1 the highest, 0 the default. A caller may step back, not push in. */
function priorityOf({ parameters }: InferRequest, own: RunPriority): RunPriority {
  const asked = parameters["priority"];
  return typeof asked === "number" && asked >= 3 ? "low" : own;
}

/** `timeout` of the schedule_policy extension, in microseconds; the charter's where that is shorter. */
function timeoutOf({ parameters }: InferRequest, { route }: ActiveRoute): number {
  const asked = parameters["timeout"];
  const isAsked = typeof asked === "number" && asked > 0;
  return isAsked ? Math.min(route.limits.timeoutMs, asked / 1000) : route.limits.timeoutMs;
}

function nanos(ms: number): number {
  return Math.round(ms * 1e6);
}

/**
 * The admitted route, or, when a deployment closed its model while the body came, the one that took its place: the request is
 * read, answered and recorded as if it had come after the deployment.
 */
function stillServing(deps: InferDeps, admitted: Admission, call: InferCall, progress: Progress): Admission {
  const { state } = deps.snapshots;
  const before = admitted.champion;
  if (!state || (!isClosed(before) && !before.others.backends.some(isClosed))) return admitted;
  const { champion: _, purpose: __, ...kept } = admitted;
  const champion = findRoute(state, admitted.caller, call);
  const purpose = readPurpose(champion, call.headers);
  const admission = { ...kept, champion, ...(purpose === undefined ? {} : { purpose }) };
  progress.admission = admission;
  return admission;
}

function isClosed({ model }: ActiveRoute): boolean {
  return model?.state().kind === "closed";
}

const countedFaults: ReadonlySet<string> = new Set(["serving.log_unavailable", "serving.overloaded"]);

/**
 * Logs the refusal, then answers it. A fault of ours is a record with its inputs; a caller's fault is counted, and so is what was too much:
 * a record of each would cost as much as its answer.
 */
export async function refusePrediction(
  deps: InferDeps,
  state: ServingState,
  progress: Progress,
  error: unknown,
): Promise<Answer> {
  const { active, admission, body } = progress;
  const limit = admission?.limit ? rateHeaders(admission.limit, performance.now()) : {};
  const answer = errorAnswer(error, progress.requestId, { ...progress.headers, ...limit });
  const { code } = answer;
  if (active) deps.statistics.of(active).failed(nanos(performance.now() - progress.startMs));
  const isOurs = answer.status >= 500 && !countedFaults.has(code);
  if (isOurs && active) {
    try {
      const place = { context: active.context, durability: active.route.durability };
      const id = await appendRecord(deps.writer, progress, place, {
        ...(body ? { inputs: { mediaType: "application/octet-stream", bytes: body } } : {}),
        latency: latencyOf(progress),
        status: { kind: "error", httpStatus: answer.status, reason: code },
      });
      return { ...answer, headers: { ...answer.headers, "x-portolan-prediction-id": id } };
    } catch {
      // Falls through: a refusal without payload may still find room, and what finds none is counted.
    }
  }
  return putOnRecord(deps, state, progress, answer);
}

/** Known, judged, unread: one of more than can be answered, or of those for whom there is no model now. */
function shed(
  deps: InferDeps,
  state: ServingState,
  progress: Progress,
  { limit }: Admission,
  reason: ShedReason,
): Promise<Answer> {
  const now = performance.now();
  const answer = shedAnswer(reason, progress.requestId, { ...progress.headers, ...rateHeaders(limit, now) });
  if (progress.active) deps.statistics.of(progress.active).failed(nanos(now - progress.startMs));
  return putOnRecord(deps, state, progress, answer);
}

function putOnRecord(
  deps: InferDeps,
  state: ServingState,
  { active, admission, principal, requestId, receivedAt }: Progress,
  answer: Answer,
): Promise<Answer> {
  const environment = admission?.caller?.environments[0] ?? deps.homeEnvironment;
  const { organisationId, version } = state.manifest;
  const context = active?.context ?? nowhere(organisationId, environment, version);
  const known = { context, principal, requestId, receivedAt };
  const purpose = admission?.purpose;
  return recordRefusal(deps, purpose === undefined ? known : { ...known, purpose }, answer);
}
