import { type EpochMicros, PortolanError } from "@portolan/kernel";
import type { FallbackStep } from "@portolan/serving/contract";
import {
  FeaturesMissing,
  type InferRequest,
  type RetryBudget,
  type RunOutcome,
  type RunPriority,
  type ServingErrorCode,
  type Tensor,
} from "@portolan/serving/policy";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { answerBy, type StepKind, shareMs, wasHurried } from "./chain-budget.ts";
import type { HealthBook } from "./health-book.ts";
import { localAnswer } from "./local-answers.ts";
import { nonFiniteInput, nonFiniteOutput, withoutInfinities } from "./non-finite.ts";
import { faultOf, type RunDeps, runVersion, type VersionAnswer } from "./run-model.ts";
import { circuitOpen, displaced, isDisplaced, overloaded, standsAlone } from "./shed.ts";
import { hasEnded } from "./standing-headers.ts";
import type { UpstreamCalls } from "./upstream-calls.ts";

/** Who answered in the model's place, as it is named in the response. */
export type AnsweredBy = "champion" | FallbackStep["kind"];
/** Why the model that should have answered did not. */
export type FallbackReason =
  | Exclude<RunOutcome["kind"], "ok" | "failed">
  | "breaker_open"
  | "inaccurate"
  | "non_finite"
  | "features_missing";

/** Why another answered than the version that should have. */
export interface ChainFallback {
  readonly reason: FallbackReason;
  readonly answeredBy: AnsweredBy;
  /** The version that should have answered. */
  readonly insteadOf: ActiveRoute;
}

export interface ChainAnswer {
  readonly outputs: readonly Tensor[];
  /** What the model that answered got; absent where none did. */
  readonly inputs?: readonly Tensor[] | undefined;
  /** The request as the version that answered read it. */
  readonly request: InferRequest;
  /** The version that answered; for a rule or a fixed answer, the one that should have. */
  readonly by: ActiveRoute;
  readonly fallback?: ChainFallback | undefined;
  /** Why the places before this one did not answer; absent where the first did. */
  readonly failover?: FallbackReason | undefined;
  readonly used: VersionAnswer["used"];
  readonly statedTime?: EpochMicros | undefined;
  readonly featuresMicros?: number | undefined;
  readonly queueMicros?: number | undefined;
  readonly runMicros?: number | undefined;
  readonly batchRows?: number | undefined;
  /** Absent where the version keeps no answers. */
  readonly cache?: "hit" | "miss" | undefined;
}

export interface ChainDeps extends RunDeps {
  readonly health: HealthBook;
}

/** One request on its way along the chain. */
export interface Asked {
  /** The version that is to answer. */
  readonly chosen: ActiveRoute;
  readonly champion: ActiveRoute;
  readonly request: InferRequest;
  /** Reads the body as another version wants it. @throws PortolanError */
  readonly readFor: (version: ActiveRoute) => InferRequest;
  readonly receivedAt: EpochMicros;
  readonly priority: RunPriority;
  /** The whole time, from the request's last byte to the answer, whoever gives it. */
  readonly timeoutMs: number;
  readonly elapsedMs: () => number;
  /** Aborted when the caller has left; absent where no server elsewhere would be working for it. */
  readonly gone?: AbortSignal | undefined;
  /** Absent where nobody is told of a trace. */
  readonly upstreams?: UpstreamCalls | undefined;
}

/** A step with less is not begun: it would send the inputs to be called off. */
const leastMs = 2;

/**
 * The model, else what the charter's fallback chain names, in its order. Versions whose circuit is open are not waited for.
 * @throws PortolanError the first version's fault when nothing answers; the request's own fault at once
 */
export async function answerByChain(deps: ChainDeps, asked: Asked): Promise<ChainAnswer> {
  const steps = stepsOf(asked);
  const parts = answerBy(steps.map(kindOf));
  const first = await tryVersion(deps, asked, asked.chosen, parts[0] ?? 1);
  if (first.kind === "answered") return first.answer;
  const { reason } = first;
  for (const [at, step] of steps.entries()) {
    if (step.kind === "local") {
      const outputs = localAnswer(asked.champion, step.step, asked.request);
      if (!outputs) continue;
      const fallback = { reason, answeredBy: step.step.kind, insteadOf: asked.chosen };
      return { outputs, request: asked.request, by: asked.champion, used: [], fallback };
    }
    // Whoever is turned away for want of capacity would only take it from somebody else.
    if (reason === "overloaded") continue;
    // The same model gets, and says of the same input, the same wherever it runs.
    if (step.kind === "backend" && (reason === "non_finite" || reason === "features_missing")) continue;
    const by = parts[at + 1] ?? 1;
    if (shareMs(asked, by) < leastMs) continue;
    const next = await tryVersion(deps, asked, step.version, by);
    if (next.kind === "not") continue;
    return step.kind === "backend"
      ? { ...next.answer, failover: reason }
      : { ...next.answer, fallback: { reason, answeredBy: step.answeredBy, insteadOf: asked.chosen } };
  }
  throw first.fault;
}

/** A place or version runs a model; rules and constants answer at once. */
function kindOf({ kind }: ChainStep): StepKind {
  return kind === "local" ? "local" : "model";
}

type ChainStep =
  /** Another place of the same model. */
  | { readonly kind: "backend"; readonly version: ActiveRoute }
  | { readonly kind: "version"; readonly version: ActiveRoute; readonly answeredBy: AnsweredBy }
  | { readonly kind: "local"; readonly step: Extract<FallbackStep, { kind: "rule" | "fixed" }> };

const noSteps: readonly ChainStep[] = [];

/** What may answer when the chosen version does not. A variant's requests go back to the champion first. */
function stepsOf({ chosen, champion, receivedAt }: Asked): readonly ChainStep[] {
  if (standsAlone({ chosen, champion })) return noSteps;
  const steps: ChainStep[] = championSteps(chosen, champion);
  for (const step of champion.route.fallbacks) {
    if (step.kind === "rule" || step.kind === "fixed") steps.push({ kind: "local", step });
    else {
      const version = step.kind === "secondary_model" ? champion.others.secondary : champion.others.previous;
      // An older snapshot may name a text model, which reads no tensors, or a version whose announced end has come since.
      const isFit = version?.route.model.upstream?.protocol !== "openai";
      if (version && isFit && !hasEnded(version, receivedAt))
        steps.push({ kind: "version", version, answeredBy: step.kind });
    }
  }
  return steps;
}

function championSteps(chosen: ActiveRoute, champion: ActiveRoute): ChainStep[] {
  const { backends } = champion.others;
  if (backends.length === 0)
    return chosen === champion ? [] : [{ kind: "version", version: champion, answeredBy: "champion" }];
  const isPlace = backends.includes(chosen);
  const places = backends
    .filter((version) => version !== chosen)
    .map(
      (version): ChainStep =>
        isPlace ? { kind: "backend", version } : { kind: "version", version, answeredBy: "champion" },
    );
  // Whose own model is not here yet has a stand-in, which is none of its places.
  return champion.isStandIn
    ? [...places, { kind: "version", version: champion, answeredBy: "previous_version" }]
    : places;
}

type Attempt =
  | { readonly kind: "answered"; readonly answer: ChainAnswer }
  | { readonly kind: "not"; readonly reason: FallbackReason; readonly fault: Error };

async function tryVersion(deps: ChainDeps, asked: Asked, version: ActiveRoute, by: number): Promise<Attempt> {
  if (isDisplaced(version)) return { kind: "not", reason: "inaccurate", fault: displaced(version) };
  const { breaker, limit, cache, retries } = deps.health.of(version);
  const startMs = performance.now();
  if (!breaker.admit(startMs)) return { kind: "not", reason: "breaker_open", fault: circuitOpen() };
  if (!limit.acquire(asked.priority)) {
    breaker.abstained();
    return { kind: "not", reason: "overloaded", fault: overloaded() };
  }
  let waitMs: number | undefined;
  try {
    const request = readAs(asked, version);
    const gap = version.route.nonFinite === "fallback" ? nonFiniteInput(request.inputs) : undefined;
    if (gap) {
      breaker.abstained();
      return { kind: "not", reason: "non_finite", fault: gap };
    }
    const options = optionsOf(asked, version, by, retries);
    const ran = await runVersion(deps, version, request, asked.receivedAt, options, cache);
    const { outcome } = ran;
    const now = performance.now();
    if (outcome.kind === "ok") {
      waitMs = (outcome.waitMicros ?? ran.queueMicros ?? 0) / 1000;
      const judged = judgeOutputs(version, outcome.outputs);
      if (judged.fault) {
        // Whoever sends what makes a model say NaN must not take it from the others.
        if (version.route.nonFiniteOutputs !== "fallback") throw judged.fault;
        breaker.abstained();
        return { kind: "not", reason: "non_finite", fault: judged.fault };
      }
      // The wait for a turn is what the in-flight bound sees to; the model is slow when its runs are.
      breaker.succeeded(now, outcome.waitMicros === undefined ? now - startMs : outcome.runMicros / 1000);
      const answer = chainAnswer(version, request, ran, outcome, judged.outputs, cache !== undefined);
      return { kind: "answered", answer };
    }
    const hadNoTurn = outcome.kind === "overloaded" || (outcome.kind === "timeout" && outcome.ranMs === 0);
    if (hadNoTurn) waitMs = Number.MAX_VALUE;
    const fault = faultOf(outcome, asked.timeoutMs);
    if (outcome.kind === "failed") throw fault;
    const { timeoutMs, longestMs } = options;
    const isLate = outcome.kind === "timeout";
    if (hadNoTurn || (isLate && wasHurried(outcome.ranMs ?? timeoutMs, longestMs, by))) breaker.abstained();
    else breaker.failed(now);
    return { kind: "not", reason: outcome.kind, fault };
  } catch (error) {
    // The request's fault says nothing about the model, and neither do features that are missing.
    breaker.abstained();
    if (error instanceof FeaturesMissing) return { kind: "not", reason: "features_missing", fault: error };
    throw error;
  } finally {
    limit.release(waitMs, performance.now());
  }
}

function optionsOf(asked: Asked, { route }: ActiveRoute, by: number, retries: RetryBudget) {
  const { priority, upstreams, gone, champion } = asked;
  return {
    timeoutMs: Math.max(1, Math.floor(shareMs(asked, by))),
    longestMs: route.limits.timeoutMs,
    priority,
    upstreams,
    gone,
    retries,
    batching: champion.route.batching,
  };
}

interface Judged {
  readonly outputs: readonly Tensor[];
  readonly fault?: PortolanError<ServingErrorCode>;
}

/** What of an answer may be given out, by the charter's word on NaN and infinities. */
function judgeOutputs({ route }: ActiveRoute, outputs: readonly Tensor[]): Judged {
  if (route.nonFiniteOutputs === "allow") return { outputs };
  if (route.nonFiniteOutputs === "missing") return { outputs: withoutInfinities(outputs) };
  const fault = nonFiniteOutput(outputs);
  return fault ? { outputs, fault } : { outputs };
}

function chainAnswer(
  by: ActiveRoute,
  request: InferRequest,
  { inputs, used, statedTime, featuresMicros, queueMicros }: VersionAnswer,
  { runMicros, batchRows, isCached }: Extract<RunOutcome, { kind: "ok" }>,
  outputs: readonly Tensor[],
  isKept: boolean,
): ChainAnswer {
  const cache = isKept ? (isCached ? "hit" : "miss") : undefined;
  return {
    outputs,
    inputs,
    request,
    by,
    used,
    statedTime,
    featuresMicros,
    queueMicros,
    runMicros,
    batchRows,
    cache,
  };
}

function readAs({ chosen, request, readFor }: Asked, version: ActiveRoute): InferRequest {
  return version.requestForm === chosen.requestForm ? request : readFor(version);
}
