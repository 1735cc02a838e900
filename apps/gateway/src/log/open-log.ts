import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asEpochMicros, type Id, type Logger, newId, parseId, systemClock } from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions/contract";
import { createShipper, openPredictionWriter, type Shipper } from "@portolan/predictions/log";
import type { Metrics } from "@portolan/telemetry";
import type { GatewayConfig } from "../config.ts";
import type { ControlClient } from "../control-client.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { createDelivery } from "./deliver-blocks.ts";

/** Room for the reserve twice and for a block. */
const leastLogMiB = 32;

function logFolder(config: GatewayConfig): string {
  return join(config.PORTOLAN_HOME, "predictions", config.GATEWAY_NAME);
}

/** Apart from the log: whoever gets one of the two folders reads no payloads. */
function logKeysFolder(config: GatewayConfig): string {
  return join(config.PORTOLAN_HOME, "keys", "prediction-log", config.GATEWAY_NAME);
}

/** The writer's identity survives restarts: control knows a gateway's blocks by it. */
export async function openWriter(config: GatewayConfig, log: Logger): Promise<PredictionWriter> {
  const folder = logFolder(config);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "writer.id");
  const known = existsSync(file) ? parseId("writer", readFileSync(file, "utf8").trim()) : undefined;
  const writerId: Id<"writer"> = known ?? newId("writer", systemClock.now());
  if (!known) writeFileSync(file, `${writerId}\n`, { mode: 0o600 });
  return openPredictionWriter({
    folder,
    keysFolder: logKeysFolder(config),
    writerId,
    clock: systemClock,
    ...(config.LOG_BUDGET === 0 ? {} : { budgetBytes: Math.max(leastLogMiB, config.LOG_BUDGET) * 2 ** 20 }),
    onFailure: (reason) => log.error({ reason }, "gateway.log.failed"),
    onRecovered: (epoch) => log.info({ epoch }, "gateway.log.recovered"),
  });
}

export interface ShipperDeps {
  readonly control: ControlClient;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Brings the log to control, and says so while it cannot. */
export function openShipper(config: GatewayConfig, { control, metrics, log }: ShipperDeps): Shipper {
  return createShipper({
    folder: logFolder(config),
    keysFolder: logKeysFolder(config),
    deliver: createDelivery(control),
    onProblem(problem) {
      const help = "1 while control takes the prediction log, 0 while it waits here";
      metrics.gauge("portolan_gateway_log_delivered", help, {}, problem === undefined ? 1 : 0);
      if (problem === undefined) log.info({}, "gateway.log.delivered");
      else log.warn({ reason: problem }, "gateway.log.undelivered");
    },
  });
}

/** A model whose bytes or signature were refused is a denial of its own, on the record. */
export async function recordRefusedModel(
  writer: PredictionWriter,
  route: ActiveRoute,
  log: Logger,
): Promise<void> {
  try {
    await writer.refuse({
      context: route.context,
      principal: "gateway",
      requestId: newId("request", systemClock.now()),
      receivedAt: asEpochMicros(systemClock.now()),
      httpStatus: 503,
      reason: route.problem?.code ?? "serving.model_unavailable",
    });
  } catch (error) {
    log.error({ err: error }, "gateway.refusal.unlogged");
  }
}
