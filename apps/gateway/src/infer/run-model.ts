import { type EpochMicros, PortolanError } from "@portolan/kernel";
import type { FeaturePlan } from "@portolan/serving/contract";
import {
  assembleInputs,
  cacheKey,
  eventTimeOf,
  eventTimeParameter,
  type InferRequest,
  type ReadOnline,
  type ResponseCache,
  type RunOptions,
  type RunOutcome,
  type ServingErrorCode,
  type Tensor,
  type UsedFeature,
} from "@portolan/serving/policy";
import type { OnlinePlace } from "../online-features.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { nonFiniteInput, withoutInfinities } from "./non-finite.ts";
import type { UpstreamCall, UpstreamCalls } from "./upstream-calls.ts";

/** What one version made of a request, and where the time went. */
export interface VersionAnswer {
  readonly outcome: RunOutcome;
  /** As the model got them. */
  readonly inputs: readonly Tensor[];
  readonly used: readonly UsedFeature[];
  /** The instant that the caller stated for the event, if it did. */
  readonly statedTime?: EpochMicros | undefined;
  readonly featuresMicros?: number | undefined;
  readonly queueMicros?: number | undefined;
}

export interface RunDeps {
  /** Reads the values of the route's own organisation and environment. */
  readonly readOnline: (place: OnlinePlace) => ReadOnline;
}

/**
 * Features, then the model.
 * @param options the time that is left, features included; `upstreams` are told when another server is asked
 * @throws PortolanError when the request is at fault, its features are missing, or the caller has left
 */
export async function runVersion(
  deps: RunDeps,
  active: ActiveRoute,
  request: InferRequest,
  receivedAt: EpochMicros,
  options: RunOptions & { readonly upstreams?: UpstreamCalls | undefined },
  cache?: ResponseCache,
): Promise<VersionAnswer> {
  const { route, model } = active;
  if (route.nonFinite === "refuse" || route.nonFinite === "fallback") {
    const fault = nonFiniteInput(request.inputs);
    if (fault) throw fault;
  }
  const { inputs, used, statedTime, featuresMicros } = route.features
    ? await withFeatures(deps, active, route.features, request, receivedAt)
    : withoutFeatures(route, request);
  const key = cache && cacheKey(inputs);
  const kept = key === undefined ? undefined : cache?.get(key);
  if (kept) {
    const outcome = { kind: "ok", outputs: kept, runMicros: 0, isCached: true } as const;
    return { outcome, inputs, used, statedTime, featuresMicros, queueMicros: 0 };
  }
  if (!model) {
    const detail = active.problem?.detail ?? "The model is not loaded.";
    return { outcome: { kind: "unavailable", detail }, inputs, used, statedTime, featuresMicros };
  }
  const startMs = performance.now();
  const call = options.upstreams?.begin(active);
  const outcome = await model.run(inputs, call ? { ...options, trace: call.headers } : options);
  if (call) endCall(call, outcome, options.gone);
  if (outcome.kind !== "ok") {
    if (options.gone?.aborted) throw callerGone();
    return { outcome, inputs, used, statedTime, featuresMicros };
  }
  if (key !== undefined) cache?.put(key, outcome.outputs);
  const spentMicros = Math.round((performance.now() - startMs) * 1000);
  const queueMicros = Math.max(0, spentMicros - outcome.runMicros);
  return { outcome, inputs, used, statedTime, featuresMicros, queueMicros };
}

function endCall(call: UpstreamCall, { kind }: RunOutcome, gone: AbortSignal | undefined): void {
  if (kind === "ok") call.end();
  else call.end(gone?.aborted ? "client_gone" : kind);
}

const noFeatures: readonly UsedFeature[] = [];

type ModelInputs = Pick<VersionAnswer, "used" | "statedTime" | "featuresMicros"> & {
  readonly inputs: readonly Tensor[];
};

function withoutFeatures(route: ActiveRoute["route"], request: InferRequest): ModelInputs {
  return { inputs: withGaps(route, request.inputs), used: noFeatures };
}

/** Reads what the route joins to the request. @throws PortolanError */
async function withFeatures(
  deps: RunDeps,
  { route }: ActiveRoute,
  features: FeaturePlan,
  request: InferRequest,
  receivedAt: EpochMicros,
): Promise<ModelInputs> {
  const start = performance.now();
  const time = eventTimeOf(features, request.parameters[eventTimeParameter], receivedAt);
  const assembled = await assembleInputs(
    route.model.signature,
    features,
    request.inputs,
    deps.readOnline(route),
    time.at,
  );
  return {
    ...assembled,
    inputs: withGaps(route, assembled.inputs),
    ...(time.isStated ? { statedTime: time.at } : {}),
    featuresMicros: Math.round((performance.now() - start) * 1000),
  };
}

/** An infinity is a gap where the charter has gaps count as missing. */
function withGaps({ nonFinite }: ActiveRoute["route"], inputs: readonly Tensor[]): readonly Tensor[] {
  return nonFinite === "missing" ? withoutInfinities(inputs) : inputs;
}

/** Nobody hears it; it is what the record says. */
export function callerGone(): PortolanError<ServingErrorCode> {
  return new PortolanError("serving.client_gone", {
    detail: "The caller left before the answer.",
    mend: "Wait for it.",
  });
}

/** What the caller is told when nothing answers in the model's place. */
export function faultOf(
  outcome: Exclude<RunOutcome, { kind: "ok" }>,
  timeoutMs: number,
): PortolanError<ServingErrorCode> {
  switch (outcome.kind) {
    case "timeout":
      return new PortolanError("serving.timeout", {
        detail: `The model did not answer within ${timeoutMs} ms.`,
        mend: "Send fewer rows, or try again later.",
      });
    case "failed":
      return new PortolanError("serving.model_failed", {
        detail: `The model refused this input: ${outcome.detail.slice(0, 300)}`,
        mend: "Check shapes and values against the model's metadata.",
      });
    case "crashed":
      return new PortolanError("serving.model_unavailable", {
        detail: "The model's runner died under this request.",
        mend: "Try again; the runner is started anew.",
      });
    case "overloaded":
      return new PortolanError("serving.overloaded", {
        detail: outcome.detail,
        mend: "Send fewer requests at once, or try again later.",
      });
    case "unavailable":
      return new PortolanError("serving.model_unavailable", {
        detail: outcome.detail,
        mend: "Try again later.",
      });
  }
}
