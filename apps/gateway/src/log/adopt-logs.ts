import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, messageOf, parseId, systemClock } from "@portolan/kernel";
import { createShipper, type DeliverBlocks, sealDeadWriter } from "@portolan/predictions/log";
import type { Metrics } from "@portolan/telemetry";

/** Where the log of one gateway lies, and its keys. */
export interface LogFolders {
  readonly folder: string;
  readonly keysFolder: string;
}

export interface AdoptDeps {
  readonly deliver: DeliverBlocks;
  readonly metrics: Metrics;
  readonly log: Logger;
}

const retryMs = 5000;

/**
 * Closes what gateways left that do not come back, and delivers it: nobody else would. One that lives keeps its log, and is looked at again: it may be
 * about to end. `portolan_gateway_log_adopted` says by gateway whether all of it is delivered.
 * @returns what stops it; what is not delivered by then waits for the next start
 */
export function adoptLogs(
  names: readonly string[],
  foldersOf: (name: string) => LogFolders,
  deps: AdoptDeps,
): { close(): Promise<void> } {
  const stop = new AbortController();
  const open = names.map((name) => adopt(name, foldersOf(name), deps, stop.signal));
  return {
    async close() {
      stop.abort();
      await Promise.all(open);
    },
  };
}

async function adopt(
  gateway: string,
  folders: LogFolders,
  deps: AdoptDeps,
  signal: AbortSignal,
): Promise<void> {
  const { metrics, log } = deps;
  const file = join(folders.folder, "writer.id");
  if (!existsSync(file)) return;
  const tell = (isDelivered: boolean): void =>
    metrics.gauge(
      "portolan_gateway_log_adopted",
      "1 when the log of a gateway that does not come back is delivered, 0 while it is not",
      { gateway },
      isDelivered ? 1 : 0,
    );
  tell(false);
  let told = "";
  while (!signal.aborted) {
    try {
      const sealed = seal(file, folders);
      if (await deliverAll(gateway, folders, deps, signal)) {
        tell(true);
        log.info({ gateway, ...sealed }, "gateway.log.adopted");
      }
      return;
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== told) log.warn({ gateway, reason }, "gateway.log.not_adopted");
      told = reason;
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** @throws PortolanError `predictions.log_locked` while its writer lives */
function seal(file: string, { folder, keysFolder }: LogFolders) {
  const writer = parseId("writer", readFileSync(file, "utf8").trim());
  if (!writer) throw new Error(`${file} holds no writer's id`);
  const { sealedBlock, tornBytes } = sealDeadWriter(folder, writer, systemClock, { keysFolder });
  return { writer, sealedBlock, tornBytes };
}

/** @returns false when it was stopped before control had all of it */
async function deliverAll(
  gateway: string,
  folders: LogFolders,
  { deliver, log }: AdoptDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const shipper = createShipper({
    ...folders,
    deliver,
    onProblem: (problem) =>
      problem === undefined
        ? log.info({ gateway }, "gateway.log.adopted.delivering")
        : log.warn({ gateway, reason: problem }, "gateway.log.adopted.undelivered"),
  });
  const stopped = Promise.withResolvers<"stopped">();
  const stop = (): void => stopped.resolve("stopped");
  signal.addEventListener("abort", stop, { once: true });
  try {
    while (!signal.aborted) {
      const flushed = shipper.flush().then(
        () => "whole" as const,
        () => "failed" as const,
      );
      if ((await Promise.race([flushed, stopped.promise])) === "whole") return !signal.aborted;
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
    return false;
  } finally {
    signal.removeEventListener("abort", stop);
    await shipper.close();
  }
}
