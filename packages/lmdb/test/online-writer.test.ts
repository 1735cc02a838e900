import { describe, expect, test } from "vitest";
import { foldSuite } from "../../features/test/online-store/fold-suite.ts";
import type { StoreWorld } from "../../features/test/online-store/store-world.ts";
import { windowsSuite } from "../../features/test/online-store/windows-suite.ts";
import { openOnlineStore, openOnlineWriter } from "../src/index.ts";
import { openWorld } from "./lmdb-world.ts";
import { foldWindows, lastLine, windowHeader } from "./window-child.ts";

/** The store whose writer is a process of its own. */

async function openWriterWorld(): Promise<StoreWorld> {
  const { folder, ...world } = await openWorld();
  return { ...world, openWriter: () => openOnlineWriter({ folder }) };
}

describe("LMDB behind a process keeps the contract of the online store", () => {
  foldSuite(openWriterWorld);
  windowsSuite(openWriterWorld);
});

test("its process, killed with kill -9 in the middle of folds, leaves bit for bit what one leaves that was not", async () => {
  const [calm, killed] = [await openWorld(), await openWorld()];
  const undisturbed = openOnlineStore({ folder: calm.folder });
  await foldWindows(undisturbed, () => Promise.resolve());
  await undisturbed.close();
  const deaths: string[] = [];
  const store = openOnlineWriter({ folder: killed.folder, onDied: (how) => deaths.push(how) });
  let folds = 0;
  while (((await store.foldPosition(windowHeader))?.sequence ?? 0) < lastLine) {
    const going = foldWindows(store, async () => {
      folds += 1;
      const pid = store.pid();
      if (folds % 6 === 0 && pid !== undefined)
        setTimeout(() => process.kill(pid, "SIGKILL"), Math.random() * 5);
    });
    await going.catch((error: unknown) =>
      expect(error).toMatchObject({ code: "features.online_unavailable" }),
    );
  }
  await store.close();
  expect(deaths.length).toBeGreaterThan(2);
  expect(await killed.dump()).toEqual(await calm.dump());
  await Promise.all([calm, killed].map((world) => world[Symbol.asyncDispose]()));
});
