import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asEpochMicros, type Id, type Logger, newId, parseId, systemClock } from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions/contract";
import { createShipper, openPredictionWriter, type Shipper } from "@portolan/predictions/log";
import type { Metrics } from "@portolan/telemetry";
import type { GatewayConfig } from "../config.ts";
import type { ControlClient } from "../control-client.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { adoptLogs, type LogFolders } from "./adopt-logs.ts";
import { createDelivery } from "./deliver-blocks.ts";

/** Room for the reserve twice and for a block. */
const leastLogMiB = 32;

/** A log and its keys lie apart: whoever gets one of the two folders reads no payloads. */
function foldersOf({ PORTOLAN_HOME: home }: GatewayConfig, name: string): LogFolders {
  return {
    folder: join(home, "predictions", name),
    keysFolder: join(home, "keys", "prediction-log", name),
  };
}

/** The writer's identity survives restarts: control knows a gateway's blocks by it. */
export async function openWriter(config: GatewayConfig, log: Logger): Promise<PredictionWriter> {
  const { folder, keysFolder } = foldersOf(config, config.GATEWAY_NAME);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "writer.id");
  const known = existsSync(file) ? parseId("writer", readFileSync(file, "utf8").trim()) : undefined;
  const writerId: Id<"writer"> = known ?? newId("writer", systemClock.now());
  if (!known) writeFileSync(file, `${writerId}\n`, { mode: 0o600 });
  return openPredictionWriter({
    folder,
    keysFolder,
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

export interface LogDelivery extends Pick<Shipper, "flush" | "close"> {
  /** Begins to deliver what gateways left that do not come back: once, when this one serves. */
  adopt(): void;
}

/** Brings the log to control, and says so while it cannot. */
export function openDelivery(config: GatewayConfig, { control, metrics, log }: ShipperDeps): LogDelivery {
  const deliver = createDelivery(control);
  const help = "1 while control takes the prediction log, 0 while it waits here";
  const tell = (isTaken: boolean) =>
    metrics.gauge("portolan_gateway_log_delivered", help, {}, isTaken ? 1 : 0);
  // Nothing waits yet.
  tell(true);
  const shipper = createShipper({
    ...foldersOf(config, config.GATEWAY_NAME),
    deliver,
    onProblem(problem) {
      tell(problem === undefined);
      if (problem === undefined) log.info({}, "gateway.log.delivered");
      else log.warn({ reason: problem }, "gateway.log.undelivered");
    },
  });
  let adopted: ReturnType<typeof adoptLogs> | undefined;
  return {
    flush: () => shipper.flush(),
    adopt() {
      const others = config.LOG_ADOPT.split(",").filter(
        (name) => name !== "" && name !== config.GATEWAY_NAME,
      );
      adopted ??= adoptLogs(others, (name) => foldersOf(config, name), { deliver, metrics, log });
    },
    async close() {
      await Promise.all([shipper.close(), adopted?.close()]);
    },
  };
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
