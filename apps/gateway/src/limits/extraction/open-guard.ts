import { type Clock, type Logger, newId } from "@portolan/kernel";
import type { PredictionContext, PredictionWriter } from "@portolan/predictions/contract";
import type { Metrics } from "@portolan/telemetry";
import type { GatewayConfig } from "../../config.ts";
import { ExtractionGuard } from "./extraction-guard.ts";
import type { ExtractionAction, Standings } from "./standings.ts";

export interface OpenGuardDeps {
  readonly standings: Standings;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly writer: PredictionWriter;
  readonly clock: Clock;
}

/** The extraction guard as configured; `undefined` when it is off. */
export function openGuard(
  config: Pick<GatewayConfig, "LIMITS_EXTRACTION" | "LIMITS_EXTRACTION_WINDOW" | "LIMITS_EXTRACTION_QUERIES">,
  { writer, ...deps }: OpenGuardDeps,
): ExtractionGuard | undefined {
  const { LIMITS_EXTRACTION: action, LIMITS_EXTRACTION_QUERIES: queriesPerDay } = config;
  if (action === "off") return undefined;
  return new ExtractionGuard({
    ...deps,
    action: action as ExtractionAction,
    settings: {
      windowQueries: config.LIMITS_EXTRACTION_WINDOW,
      ...(queriesPerDay === undefined ? {} : { queriesPerDay }),
    },
    onFlagged: (context, principalId) => void recordFlag(writer, deps, context, principalId),
  });
}

/** Being flagged is an event of its own, on the record and through it in the ledger, whatever is done about it. */
async function recordFlag(
  writer: PredictionWriter,
  { clock, log }: Pick<OpenGuardDeps, "clock" | "log">,
  context: PredictionContext,
  principalId: string,
): Promise<void> {
  try {
    const receivedAt = clock.now();
    const requestId = newId("request", receivedAt);
    await writer.refuse({
      context,
      principal: principalId,
      requestId,
      receivedAt,
      httpStatus: 429,
      reason: "serving.abnormal_usage",
    });
  } catch (error) {
    log.error({ err: error }, "gateway.refusal.unlogged");
  }
}
