import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OnlineStore, OnlineViewHeader } from "@portolan/features/contract";
import { asEpochMicros } from "@portolan/kernel";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openOnlineStore } from "../src/index.ts";

/** The conformance suite of the port `OnlineStore`: docs/spec/features.md F8 to F12. */

let folder: string;
let store: OnlineStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-lmdb-"));
  store = openOnlineStore({ folder });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const place = { organisationId: "org_a", environment: "production" };
const header: OnlineViewHeader = {
  ...place,
  view: "v@1",
  digest: "sha256:00",
  ttlMicros: 100,
  featureNames: ["a", "b"],
};
const t = asEpochMicros;

test("a value is served up to its ttl and not a microsecond longer, and never before it was computed", async () => {
  await store.replace(header, t(1000), [{ key: ["x"], values: [1, null] }]);
  expect(store.get(header, ["x"], t(1000))).toEqual({
    status: "found",
    asOf: 1000,
    values: { a: { value: 1, status: "present" }, b: { value: null, status: "null" } },
  });
  expect(store.get(header, ["x"], t(1100)).status).toBe("found");
  for (const at of [1101, 999]) {
    const outside = store.get(header, ["x"], t(at));
    expect(outside.status).toBe("outside_max_age");
    expect(outside.values["a"]).toEqual({ value: null, status: "outside_max_age" });
  }
});

test("an unknown entity and an unknown view are not found", async () => {
  await store.replace(header, t(1000), []);
  expect(store.get(header, ["x"], t(1000))).toEqual({
    status: "not_found",
    values: { a: { value: null, status: "not_found" }, b: { value: null, status: "not_found" } },
  });
  expect(store.get({ ...header, view: "other@1" }, ["x"], t(1000))).toEqual({
    status: "not_found",
    values: {},
  });
});

test("a replacement removes what it does not name, and an older one changes nothing", async () => {
  await store.replace(header, t(1000), [
    { key: ["gone"], values: [1, 1] },
    { key: ["x"], values: [1, 1] },
  ]);
  await store.replace(header, t(1010), [{ key: ["x"], values: [2, 2] }]);
  await store.replace(header, t(1005), [{ key: ["x"], values: [3, 3] }]);
  expect(store.get(header, ["gone"], t(1010)).status).toBe("not_found");
  expect(store.get(header, ["x"], t(1010)).values["a"]?.value).toBe(2);
});

test("the same name in another environment, organisation or definition is another view", async () => {
  await store.replace(header, t(1000), [{ key: ["x"], values: [1, 1] }]);
  const dev = { ...header, environment: "dev" };
  const foreign = { ...header, organisationId: "org_b" };
  for (const other of [dev, foreign]) {
    expect(store.get(other, ["x"], t(1000)).status).toBe("not_found");
    await store.replace(other, t(2000), [{ key: ["x"], values: [9, 9] }]);
  }
  expect(store.get(header, ["x"], t(1000))).toMatchObject({ asOf: 1000, values: { a: { value: 1 } } });
  expect(store.get({ ...header, digest: "sha256:01" }, ["x"], t(1000))).toEqual({
    status: "not_found",
    values: {},
  });
});

test("a replacement that comes too late says whose values stay", async () => {
  expect(await store.replace(header, t(1010), [{ key: ["x"], values: [1, 1] }])).toEqual({});
  expect(await store.replace(header, t(1005), [])).toEqual({ supersededBy: 1010 });
  expect(await store.replace(header, t(1010), [{ key: ["x"], values: [2, 2] }])).toEqual({});
  expect(store.get(header, ["x"], t(1010)).values["a"]?.value).toBe(2);
});

test("an update touches its entities alone, and an older value never replaces a newer one", async () => {
  await store.replace(header, t(1000), [
    { key: ["x"], values: [1, 1] },
    { key: ["y"], values: [1, 1] },
  ]);
  await store.update(header, t(1020), [{ key: ["x"], values: [2, 2] }]);
  await store.update(header, t(1010), [{ key: ["x"], values: [3, 3] }]);
  expect(store.get(header, ["x"], t(1020))).toMatchObject({ asOf: 1020, values: { a: { value: 2 } } });
  expect(store.get(header, ["y"], t(1020))).toMatchObject({ asOf: 1000, values: { a: { value: 1 } } });
});

test("an integer key is the same entity as number and as decimal text", async () => {
  await store.replace(header, t(1000), [{ key: [42, "a"], values: [1, 1] }]);
  expect(store.get(header, ["42", "a"], t(1000)).status).toBe("found");
  expect(store.get(header, [42, "a"], t(1000)).status).toBe("found");
});

test("no two keys are taken for one another, whatever their characters and length", async () => {
  const part = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom("", "\0", "\0\0", "=x", "#", "é", "x".repeat(99), "x".repeat(101), "x".repeat(5000)),
  );
  const keys = fc.uniqueArray(fc.tuple(part, part), {
    selector: (key) => JSON.stringify(key),
    maxLength: 40,
  });
  let asOf = 1000;
  await fc.assert(
    fc.asyncProperty(keys, async (found) => {
      asOf += 1;
      await store.replace(
        header,
        t(asOf),
        found.map((key, index) => ({ key, values: [index, 0] })),
      );
      for (const [index, key] of found.entries())
        expect(store.get(header, key, t(asOf)).values["a"]?.value).toBe(index);
      expect(store.get(header, ["never", "there"], t(asOf)).status).toBe("not_found");
    }),
    { numRuns: 15 },
  );
});

test("old generations do not pile up, and the last one stays for a reader that is in the middle", async () => {
  const rows = Array.from({ length: 200 }, (_, index) => ({ key: [`k${index}`], values: [index, 0] }));
  for (let turn = 1; turn <= 12; turn++) await store.replace(header, t(1000 + turn), rows);
  const { open } = await import("lmdb");
  const raw = open({ path: join(folder, "online.lmdb"), readOnly: true });
  const generations = new Set(
    [...raw.getKeys()].flatMap((key) => (Array.isArray(key) && key[0] === "value" ? [key[4]] : [])),
  );
  await raw.close();
  expect([...generations]).toEqual([11, 12]);
});

const program = fileURLToPath(new URL("./online-child.ts", import.meta.url));
const start = (mode: string): ChildProcess =>
  spawn(process.execPath, [program, mode, folder], { stdio: ["pipe", "pipe", "inherit"] });
const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) =>
    child.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString("utf8").trim())),
  );

test("a reader in another process never sees half a replacement", async () => {
  const lasting = { ...header, ttlMicros: 2 ** 50 };
  await store.replace(lasting, t(1), rowsOf(1));
  const reader = start("read");
  expect(await firstLine(reader)).toBe("reading");
  let enough = false;
  void firstLine(reader).then((line) => {
    enough = line === "enough";
  });
  // At least 80 replacements, and on until the reader was there for some of them.
  for (let turn = 2; turn <= 80 || !enough; turn++) await store.replace(lasting, t(turn), rowsOf(turn));
  const report = firstLine(reader);
  reader.stdin?.end();
  const { torn, mixed, missing } = JSON.parse(await report) as Record<string, number>;
  expect({ torn, mixed, missing }).toEqual({ torn: 0, mixed: 0, missing: 0 });
});

test("a writer killed with kill -9 at random moments leaves a whole generation, and the next one goes on", async () => {
  await store.close();
  for (let round = 0; round < 5; round++) {
    const writer = start("write");
    await firstLine(writer);
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60));
    const gone = new Promise((resolve) => writer.once("exit", resolve));
    writer.kill("SIGKILL");
    await gone;
    const after = openOnlineStore({ folder, readOnly: true });
    const found = Array.from({ length: 50 }, (_, index) => after.get(header, [`k${index}`], t(2 ** 40)));
    await after.close();
    expect(new Set(found.map((vector) => vector.asOf)).size).toBe(1);
    expect(found[0]?.asOf).toBeGreaterThan(0);
  }
  store = openOnlineStore({ folder });
  await store.replace(header, t(2 ** 41), rowsOf(7));
  expect(store.get(header, ["k3"], t(2 ** 41)).values["a"]?.value).toBe(7);
});

function rowsOf(turn: number) {
  return Array.from({ length: 50 }, (_, index) => ({ key: [`k${index}`], values: [turn, index] }));
}
