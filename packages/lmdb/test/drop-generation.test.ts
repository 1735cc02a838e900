import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { dropGeneration, dropGenerationsBefore, type Values, valueKey } from "../src/stored-values.ts";

const view = { organisationId: "org_a", environment: "production", view: "v@1", digest: "sha256:00" };

test("a large generation goes in bounded pages, between which the thread serves others; no other generation is touched", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-drop-"));
  const values: Values = open({ path: join(folder, "online.lmdb"), compression: false });
  await values.transaction(() => {
    for (const generation of [1, 2, 3])
      for (let n = 0; n < 3500; n++) void values.put(valueKey(view, generation, [`k${n}`]), { a: 1, v: [n] });
    void values.put(valueKey({ ...view, view: "v@2" }, 1, ["k"]), { a: 1, v: [1] });
  });
  const left = () => values.getKeysCount();
  const one = await seenDuring(() => dropGeneration(values, view, 2), left);
  expect(one.at(-1)).toBe(7001);
  expect(one.length).toBeGreaterThan(2);
  const older = await seenDuring(() => dropGenerationsBefore(values, view, 3), left);
  expect(older.at(-1)).toBe(3501);
  expect(older.length).toBeGreaterThan(2);
  expect(values.get(valueKey(view, 3, ["k0"]))).toEqual({ a: 1, v: [0] });
  await values.close();
  await rm(folder, { recursive: true });
});

/** The counts that other work of the thread sees while something runs, and after it; each once, without the first. */
async function seenDuring(work: () => Promise<void>, count: () => number): Promise<number[]> {
  const seen = new Set([count()]);
  let working = true;
  const done = work().finally(() => {
    working = false;
  });
  while (working) {
    await turn();
    seen.add(count());
  }
  await done;
  return [...seen].slice(1);
}
