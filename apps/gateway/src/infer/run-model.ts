import { type EpochMicros, PortolanError } from "@portolan/kernel";
import {
  assembleInputs,
  elementsOf,
  eventTimeOf,
  eventTimeParameter,
  type InferRequest,
  numericKinds,
  type ReadOnline,
  type RunOutcome,
  rowsOf,
  type ServingErrorCode,
  type Tensor,
  type TensorData,
  type UsedFeature,
} from "@portolan/serving/policy";
import type { OnlinePlace } from "../online-features.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

export interface ModelAnswer {
  readonly outputs: readonly Tensor[];
  readonly used: readonly UsedFeature[];
  /** The instant that the caller stated for the event, if it did. */
  readonly statedTime?: EpochMicros;
  readonly featuresMicros?: number;
  readonly queueMicros?: number;
  readonly runMicros?: number;
  /** Set when the charter's fallback answered instead of the model. */
  readonly fallbackReason?: string;
}

export interface RunDeps {
  /** Reads the values of the route's own organisation and environment. */
  readonly readOnline: (place: OnlinePlace) => ReadOnline;
}

/**
 * Features, then the model, within what is left of the charter's time; then its fallback, if it has one.
 * @throws PortolanError when neither answers
 */
export async function runModel(
  deps: RunDeps,
  active: ActiveRoute,
  request: InferRequest,
  receivedAt: EpochMicros,
  elapsedMs: () => number,
): Promise<ModelAnswer> {
  const { route, model } = active;
  if (route.nonFinite === "refuse") refuseNonFinite(request.inputs);
  const { inputs, ...assembled } = modelInputs(deps, active, request, receivedAt);
  const leftMs = Math.max(1, Math.floor(route.limits.timeoutMs - elapsedMs()));
  const start = performance.now();
  const outcome: RunOutcome = model
    ? await model.run(inputs, { timeoutMs: leftMs })
    : { kind: "unavailable", detail: active.problem?.detail ?? "The model is not loaded." };
  const spentMicros = Math.round((performance.now() - start) * 1000);
  if (outcome.kind === "ok") {
    const queueMicros = Math.max(0, spentMicros - outcome.runMicros);
    return { outputs: outcome.outputs, ...assembled, queueMicros, runMicros: outcome.runMicros };
  }
  if (route.fallback.kind === "fixed" && outcome.kind !== "failed") {
    const outputs = fixedOutputs(active, rowsOf(request.inputs[0]?.shape ?? []));
    return { outputs, ...assembled, runMicros: spentMicros, fallbackReason: outcome.kind };
  }
  throw faultOf(outcome, route.limits.timeoutMs);
}

type ModelInputs = Pick<ModelAnswer, "used" | "statedTime" | "featuresMicros"> & {
  readonly inputs: readonly Tensor[];
};

function modelInputs(
  deps: RunDeps,
  active: ActiveRoute,
  request: InferRequest,
  receivedAt: EpochMicros,
): ModelInputs {
  const { route } = active;
  if (!route.features) return { inputs: request.inputs, used: [] };
  const start = performance.now();
  const time = eventTimeOf(route.features, request.parameters[eventTimeParameter], receivedAt);
  const assembled = assembleInputs(
    route.model.signature,
    route.features,
    request.inputs,
    deps.readOnline(route),
    time.at,
  );
  return {
    ...assembled,
    ...(time.isStated ? { statedTime: time.at } : {}),
    featuresMicros: Math.round((performance.now() - start) * 1000),
  };
}

function refuseNonFinite(inputs: readonly Tensor[]): void {
  for (const { name, datatype, data } of inputs) {
    if ((datatype !== "FP32" && datatype !== "FP64") || !ArrayBuffer.isView(data)) continue;
    const at = (data as Float64Array).findIndex((value) => !Number.isFinite(value));
    if (at === -1) continue;
    throw new PortolanError<ServingErrorCode>("serving.bad_request", {
      detail: `The input "${name}" holds NaN or infinity at element ${at}.`,
      mend: "Send finite numbers; the charter decides whether others are allowed.",
      at: { pointer: "/inputs" },
    });
  }
}

function fixedOutputs(active: ActiveRoute, rows: number): Tensor[] {
  const { fallback, model } = active.route;
  if (fallback.kind !== "fixed") return [];
  return model.signature.outputs.map((spec) => {
    const shape = spec.shape.map((dim, index) => (dim === -1 ? (index === 0 ? rows : 1) : dim));
    const elements = elementsOf(shape);
    const value = fallback.outputs[spec.name] ?? 0;
    if (spec.datatype === "BYTES") {
      return {
        name: spec.name,
        datatype: spec.datatype,
        shape,
        data: Array.from({ length: elements }, () => String(value)),
      };
    }
    const data: Exclude<TensorData, readonly string[]> = numericKinds[spec.datatype].make(elements);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data.fill(BigInt(Math.trunc(Number(value))));
    else data.fill(Number(value));
    return { name: spec.name, datatype: spec.datatype, shape, data };
  });
}

function faultOf(
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
