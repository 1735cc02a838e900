import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import type { StoreWorld } from "../../features/test/online-store/store-world.ts";
import { openOnlineStore } from "../src/index.ts";

/** A store in a folder of its own. @param openStore what opens it in this process */
export async function openWorld(
  openStore: typeof openOnlineStore = openOnlineStore,
): Promise<StoreWorld & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-lmdb-"));
  return {
    folder,
    address: `lmdb:${folder}`,
    openWriter: () => openStore({ folder }),
    openReader: () => openStore({ folder, readOnly: true }),
    dump: async () => {
      const raw = open({ path: join(folder, "online.lmdb"), readOnly: true, encoding: "binary" });
      // When values were counted last depends on where a writer was killed; what was written does not.
      const entries = [...raw.getRange()]
        .filter(({ key }) => !(Array.isArray(key) && key[0] === "count"))
        .map(({ key, value }) => `${JSON.stringify(key)} ${(value as Buffer).toString("hex")}`);
      await raw.close();
      return entries;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
