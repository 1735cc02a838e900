import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { OnlineReader, OnlineVector } from "@portolan/features/contract";
import { columnsWithout } from "@portolan/features/online-columns";
import { type Logger, messageOf } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import type { OnlineRow, ReadFeatureColumns, ReadOnline } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import type { GatewayConfig } from "./config.ts";

/** Whose values are read. */
export interface OnlinePlace {
  readonly organisationId: string;
  readonly environment: string;
}

export interface OnlineFeatures {
  readonly reader: (place: OnlinePlace) => ReadOnline;
  readonly columnsReader: (place: OnlinePlace) => ReadFeatureColumns;
  close(): Promise<void>;
}

export type OnlineConfig = Pick<
  GatewayConfig,
  "PORTOLAN_HOME" | "FEATURES_REDIS_URL" | "FEATURES_REDIS_CA_FILE" | "FEATURES_TIMEOUT_MS"
>;

/**
 * The online store that is configured. Waits for none: until it answers, features are unavailable.
 * @throws PortolanError `kernel.bad_configuration` when its address is none, or would carry a password in clear
 */
export async function openOnlineFeatures(
  config: OnlineConfig,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
): Promise<OnlineFeatures> {
  const { FEATURES_REDIS_URL: url, FEATURES_REDIS_CA_FILE: caFile, FEATURES_TIMEOUT_MS: timeoutMs } = config;
  if (!url) return readingFrom(embeddedReader(join(config.PORTOLAN_HOME, "features/online"), log), metrics);
  // Its client is a quarter of all that a gateway would load.
  const { openRedisOnlineReader, requireSafeAddress } = await import("@portolan/redis");
  requireSafeAddress(url, "FEATURES_REDIS_URL");
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") };
  return readingFrom(openRedisOnlineReader({ url, ...ca, log, timeoutMs }), metrics);
}

function readingFrom(store: OnlineReader, metrics: Metrics): OnlineFeatures {
  const note = noteReachable(metrics);
  return {
    reader:
      ({ organisationId, environment }) =>
      async (questions, at) => {
        const asked = questions.map(({ view: { name, digest }, key }) => ({
          view: { organisationId, environment, view: name, digest },
          key,
        }));
        const found = await store.read(asked, at);
        if (found.length > 0) note(found.every(({ status }) => status !== "unavailable"));
        return found.map(rowOf);
      },
    columnsReader:
      ({ organisationId, environment }) =>
      (questions, at) =>
        store.readColumns(
          questions.map(({ view: { name, digest }, keys, features }) => ({
            view: { organisationId, environment, view: name, digest },
            keys,
            features,
          })),
          at,
        ),
    close: () => store.close(),
  };
}

/** What the latest read of a prediction's features says of the store; nothing before the first. */
function noteReachable(metrics: Metrics): (isReachable: boolean) => void {
  let last: boolean | undefined;
  return (isReachable) => {
    if (isReachable === last) return;
    last = isReachable;
    const help = "1 while the online store answers in time; by the latest prediction that read features";
    metrics.gauge("portolan_gateway_feature_store_reachable", help, {}, isReachable ? 1 : 0);
  };
}

function rowOf({ status, asOf, values }: OnlineVector): OnlineRow {
  return { status, values, ...(asOf === undefined ? {} : { at: asOf }) };
}

const retryMs = 1000;

/** Reads the store that its writer keeps in `folder`, from the moment that it exists. Before it, nobody has features. */
function embeddedReader(folder: string, log: Logger): OnlineReader {
  let store: OnlineReader | undefined;
  let nextTryMs = 0;
  let whenClosed: "not_found" | "unavailable" = "not_found";

  function open(): OnlineReader | undefined {
    if (store || performance.now() < nextTryMs) return store;
    nextTryMs = performance.now() + retryMs;
    whenClosed = "not_found";
    if (!existsSync(join(folder, "online.lmdb"))) return undefined;
    try {
      store = openOnlineStore({ folder, readOnly: true });
    } catch (error) {
      whenClosed = "unavailable";
      log.warn({ reason: messageOf(error) }, "gateway.features.unreadable");
    }
    return store;
  }

  return {
    read: async (questions, at) =>
      open()?.read(questions, at) ?? questions.map(() => ({ status: whenClosed, values: {} })),
    readColumns: async (questions, at) =>
      open()?.readColumns(questions, at) ?? questions.map((question) => columnsWithout(question, whenClosed)),
    close: async () => store?.close(),
  };
}
