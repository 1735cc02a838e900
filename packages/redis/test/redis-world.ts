import { createLogger, Secret } from "@portolan/kernel";
import { createClient } from "@redis/client";
import type { StoreWorld } from "../../features/test/online-store/store-world.ts";
import { openRedisOnlineReader, openRedisOnlineStore } from "../src/index.ts";

const log = createLogger({ name: "test", level: "silent" });

/** A store in a database of its own on a real server: what was in it goes. @param address `redis://host:port/database` */
export async function openRedisWorld(
  address: string,
): Promise<StoreWorld & { readonly forgetIdentities: () => Promise<number> }> {
  const raw = createClient({ url: address });
  await raw.connect();
  await raw.flushDb();
  const options = { url: new Secret(address), log, timeoutMs: 60_000 };
  return {
    address,
    openWriter: () => openRedisOnlineStore(options),
    openReader: () => openRedisOnlineReader(options),
    dump: async () => {
      const dumped: string[] = [];
      for (const key of await raw.keys("*")) {
        if (key.endsWith(":header")) dumped.push(`${key} ${await raw.get(key)}`);
        if (key.includes(":lines:")) dumped.push(`${key} ${(await raw.zRange(key, 0, -1)).join()}`);
        if (key.includes(":values:") || key.includes(":identities:") || key.endsWith(":early"))
          for (const [field, value] of Object.entries(await raw.hGetAll(key)))
            dumped.push(`${key} ${field} ${value}`);
      }
      return dumped.toSorted();
    },
    /** As a version left it that noted no events; resolves to how many generations had any. */
    forgetIdentities: async () => {
      const keys = await raw.keys("*:identities:*");
      return keys.length > 0 ? raw.del(keys) : 0;
    },
    [Symbol.asyncDispose]: async () => raw.destroy(),
  };
}
