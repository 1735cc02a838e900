import type { EpochMicros, Id } from "@portolan/kernel";
import type { PredictionContext, PredictionWriter } from "@portolan/predictions/contract";
import type { Metrics } from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";

export interface RefusalDeps {
  readonly writer: PredictionWriter;
  readonly metrics: Metrics;
}

export interface Refused {
  /** Absent while nobody knows whose gateway this is: there is no log to file it under. */
  readonly context: PredictionContext | undefined;
  readonly principal: string;
  readonly requestId: Id<"request">;
  readonly receivedAt: EpochMicros;
  readonly purpose?: string;
}

/** Puts a refusal on the record before it is answered; under a flood it is counted per client and second. */
export async function recordRefusal(deps: RefusalDeps, refused: Refused, answer: Answer): Promise<Answer> {
  const { context, ...known } = refused;
  try {
    if (!context) throw new Error("no organisation is known yet");
    const id = await deps.writer.refuse({
      context,
      ...known,
      httpStatus: answer.status,
      reason: answer.code,
    });
    return id === undefined
      ? answer
      : { ...answer, headers: { ...answer.headers, "x-portolan-prediction-id": id } };
  } catch {
    // The log itself is what fails: the caller still gets its refusal, and the metric tells the operator.
    deps.metrics.count("portolan_gateway_unlogged_refusals_total", "Refusals that the log did not take", {
      code: answer.code,
    });
    return answer;
  }
}
