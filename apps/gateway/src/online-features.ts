import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OnlineStore } from "@portolan/features/contract";
import { type Logger, messageOf } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import type { ReadOnline } from "@portolan/serving/policy";

/** Whose values are read. */
export interface OnlinePlace {
  readonly organisationId: string;
  readonly environment: string;
}

export interface OnlineFeatures {
  readonly reader: (place: OnlinePlace) => ReadOnline;
  close(): Promise<void>;
}

const retryMs = 1000;

/** Reads the online store that the writer keeps in `folder`, from the moment that it exists. */
export function createOnlineFeatures(folder: string, log: Logger): OnlineFeatures {
  let store: OnlineStore | undefined;
  let nextTryMs = 0;

  function open(): OnlineStore | undefined {
    if (store || performance.now() < nextTryMs) return store;
    nextTryMs = performance.now() + retryMs;
    if (!existsSync(join(folder, "online.lmdb"))) return undefined;
    try {
      store = openOnlineStore({ folder, readOnly: true });
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "gateway.features.unreadable");
    }
    return store;
  }

  return {
    reader:
      ({ organisationId, environment }) =>
      (view, key, at) => {
        const of = { organisationId, environment, view: view.name, digest: view.digest };
        const found = open()?.get(of, key, at);
        if (!found || found.asOf === undefined) return undefined;
        const values = Object.fromEntries(
          Object.entries(found.values).map(([name, { value }]) => [name, value]),
        );
        return { values, at: found.asOf, isStale: found.status === "outside_max_age" };
      },
    close: async () => store?.close(),
  };
}
