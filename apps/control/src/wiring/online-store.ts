import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OnlineStore } from "@portolan/features";
import { openOnlineWriter } from "@portolan/lmdb";
import type { Foundation } from "./foundation.ts";

/** Longest wait for a value; control reads none to serve it. */
const readTimeoutMs = 1000;

/**
 * The online store that is configured, opened to be written.
 * @throws PortolanError `kernel.bad_configuration` when its address is none, or would carry a password in clear
 */
export async function openConfiguredStore({ config, log }: Foundation): Promise<OnlineStore> {
  const { FEATURES_REDIS_URL: url, FEATURES_REDIS_CA_FILE: caFile, PORTOLAN_HOME: home } = config;
  if (!url) {
    const onDied = (how: string): void => log.error({ how }, "control.online_writer.died");
    return openOnlineWriter({ folder: join(home, "features", "online"), onDied });
  }
  const { openRedisOnlineStore, requireSafeAddress } = await import("@portolan/redis");
  requireSafeAddress(url, "FEATURES_REDIS_URL");
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") };
  return openRedisOnlineStore({ url, ...ca, log, timeoutMs: readTimeoutMs });
}
