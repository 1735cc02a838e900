import type { Metrics } from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";
import type { AccessLog } from "../log/access-log.ts";
import { countRefusedFeatures } from "./count-answers.ts";
import { measure } from "./measure.ts";
import type { Progress } from "./progress.ts";
import type { RequestTraces } from "./request-traces.ts";

export interface ConcludeDeps {
  readonly metrics: Metrics;
  /** Absent where no collector is configured. */
  readonly traces?: RequestTraces;
  /** Absent where none is kept. */
  readonly accessLog?: AccessLog;
}

/** What is told of a prediction besides its record: metrics, trace, and a line of the access log. */
export function conclude(deps: ConcludeDeps, progress: Progress, answer: Answer, bytesOut?: number): void {
  measure(deps.metrics, progress, answer);
  if (answer.code === "serving.features_unavailable") countRefusedFeatures(deps.metrics, progress.active);
  deps.traces?.finish(progress, answer);
  if (deps.accessLog) addLine(deps.accessLog, progress, answer, bytesOut);
}

function addLine(
  accessLog: AccessLog,
  progress: Progress,
  answer: Answer,
  bytesOut: number | undefined,
): void {
  const { active, timed, body, traced, receivedAt, requestId, principal, startMs } = progress;
  const { route, context } = active ?? {};
  accessLog.add({
    receivedAt,
    requestId,
    principal,
    startMs,
    answer,
    endpoint: route?.endpoint,
    environment: route?.environment,
    model: route && `${route.model.name}/${route.model.version}`,
    variant: context?.variant,
    traceId: traced?.traceId,
    queueMicros: timed?.queueMicros,
    runMicros: timed?.runMicros,
    bytesIn: body?.length,
    bytesOut,
  });
}
