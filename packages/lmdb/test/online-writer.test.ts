import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { OnlineRecord } from "@portolan/features/contract";
import { asEpochMicros } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { foldSuite } from "../../features/test/online-store/fold-suite.ts";
import { header, once, readOne, type StoreWorld } from "../../features/test/online-store/store-world.ts";
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

test("lines that it accepted are there after kill -9 at once, for readers as for the next one, and a fold that runs does not hold them up", async () => {
  await using world = await openWorld();
  const store = openOnlineWriter({ folder: world.folder });
  const early = { ...header, view: "early@1", isEarly: true } as const;
  const line = (accepted: number) => ({
    accepted,
    acceptedAt: 1,
    key: [`k${accepted % 7}`],
    event: accepted,
    available: accepted,
    isTombstone: false,
    values: [accepted, null],
  });
  await store.fold(early, { log: "flg_a", after: 0, upTo: 0, asOf: asEpochMicros(1000), pages: once() });
  let isFolding = true;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  async function* pages(): AsyncGenerator<OnlineRecord[]> {
    yield [];
    await held;
  }
  const fold = store
    .fold(early, { log: "flg_a", after: 0, upTo: 0, asOf: asEpochMicros(1000), pages: pages() })
    .finally(() => (isFolding = false));
  for (let from = 1; from < 200; from += 20)
    await store.early?.accept(
      early,
      "flg_a",
      Array.from({ length: 20 }, (_, index) => line(from + index)),
    );
  expect(isFolding).toBe(true);
  release();
  await fold;
  process.kill(store.pid() ?? 0, "SIGKILL");
  while (store.pid() !== undefined) await delay(5);
  const reader = openOnlineStore({ folder: world.folder, readOnly: true });
  expect((await readOne(reader, early, ["k3"], 200)).values["a"]?.value).toBe(199);
  await reader.close();
  expect(await store.early?.settle(early, [[1, 150]])).toBe(150);
  expect(await store.early?.waiting(early)).toHaveLength(50);
  await store.close();
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
