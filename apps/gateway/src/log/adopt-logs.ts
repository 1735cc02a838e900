import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, messageOf, parseId, systemClock } from "@portolan/kernel";
import { createShipper, type DeliverBlocks, type Shipper, sealDeadWriter } from "@portolan/predictions/log";

/** Where the log of one gateway lies, and its keys. */
export interface LogFolders {
  readonly folder: string;
  readonly keysFolder: string;
}

export interface AdoptDeps {
  readonly deliver: DeliverBlocks;
  readonly log: Logger;
}

const retryMs = 5000;

/**
 * Closes what gateways left that do not come back, and delivers it: nobody else would. One that lives after all is left alone.
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
  { folder, keysFolder }: LogFolders,
  { deliver, log }: AdoptDeps,
  signal: AbortSignal,
): Promise<void> {
  try {
    const file = join(folder, "writer.id");
    if (!existsSync(file)) return;
    const writer = parseId("writer", readFileSync(file, "utf8").trim());
    if (!writer) throw new Error(`${file} holds no writer's id`);
    const { sealedBlock, tornBytes } = sealDeadWriter(folder, writer, systemClock, { keysFolder });
    const shipper = createShipper({ folder, keysFolder, deliver, onProblem: () => undefined });
    if (await isDelivered(shipper, signal))
      log.info({ gateway, writer, sealedBlock, tornBytes }, "gateway.log.adopted");
    await shipper.close();
  } catch (error) {
    log.error({ gateway, error: messageOf(error) }, "gateway.log.not_adopted");
  }
}

async function isDelivered(shipper: Shipper, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const isWhole = await shipper.flush().then(
      () => true,
      () => false,
    );
    if (isWhole) return true;
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
