import { join } from "node:path";
import { asEpochMicros } from "@portolan/kernel";
import { open } from "lmdb";
import { describe, expect, test } from "vitest";
import { earlySuite } from "../../features/test/online-store/early-suite.ts";
import { foldSuite } from "../../features/test/online-store/fold-suite.ts";
import { header, rowsOf } from "../../features/test/online-store/store-world.ts";
import { valuesSuite } from "../../features/test/online-store/values-suite.ts";
import { windowsSuite } from "../../features/test/online-store/windows-suite.ts";
import { openWorld } from "./lmdb-world.ts";

describe("LMDB keeps the contract of the online store", () => {
  valuesSuite(openWorld);
  foldSuite(openWorld);
  windowsSuite(openWorld);
  earlySuite(openWorld);
});

test("old generations do not pile up, and the last one stays for a reader that is in the middle", async () => {
  await using world = await openWorld();
  const store = world.openWriter();
  for (let turn = 1; turn <= 12; turn++)
    await store.replace(header, asEpochMicros(1000 + turn), rowsOf(turn));
  const raw = open({ path: join(world.folder, "online.lmdb"), readOnly: true });
  const generations = new Set(
    [...raw.getKeys()].flatMap((key) => (Array.isArray(key) && key[0] === "value" ? [key[4]] : [])),
  );
  await raw.close();
  expect([...generations]).toEqual([11, 12]);
  await store.close();
});
