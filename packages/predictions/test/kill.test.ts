import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readLog } from "../src/format/reader.ts";
import { sealDeadWriter } from "../src/writer/recovery.ts";
import { startTestControl } from "./control.ts";
import { runAndKill } from "./kill-child.ts";
import { clock, writerId } from "./records.ts";
import { shipUnderKills } from "./ship-under-kills.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "predictions-kill-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a gateway killed while it ships: control has every record exactly once", async () => {
  const control = await startTestControl();
  try {
    await shipUnderKills(control, folder, [0, 40, 150]);
  } finally {
    await control.close();
  }
}, 180_000);

describe("kill -9", () => {
  test.each(["buffered", "durable"])(
    "every acknowledged %s record survives, once, and the chain holds",
    async (mode) => {
      const acknowledged: string[] = [];
      for (const delay of [5, 120]) acknowledged.push(...(await runAndKill([folder, mode], delay)));
      sealDeadWriter(folder, writerId, clock);
      const found = [...readLog(folder)].flatMap(({ records }) => records.map(({ header }) => header.id));
      expect(new Set(found).size).toBe(found.length);
      const kept = new Set(found);
      expect(acknowledged.length).toBeGreaterThan(1); // each run waits for its first acknowledgement
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    },
  );
});
