import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
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

test("the process ends with its owner, also one that is killed", async () => {
  await using world = await openWorld();
  const owner = `
    const { openOnlineWriter } = await import(${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)});
    const store = openOnlineWriter({ folder: ${JSON.stringify(world.folder)} });
    const of = { organisationId: "o", environment: "dev", view: "v@1", digest: "d", ttlMicros: 1, featureNames: ["a"] };
    await store.replace(of, 1, [{ key: ["k"], values: [1] }]);
    process.stdout.write(String(store.pid()));
    setInterval(() => undefined, 1000);`;
  const program = spawn(process.execPath, ["--input-type=module", "-e", owner], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = await new Promise<number>((resolve) => {
    program.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
  });
  program.kill("SIGKILL");
  const isAlive = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let tries = 0; tries < 200 && isAlive(); tries += 1) await delay(25);
  expect(isAlive()).toBe(false);
});
