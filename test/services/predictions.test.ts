import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPredictionWriter, readLog } from "@portolan/predictions/log";
import { afterAll, describe, expect, test } from "vitest";
import { aContext, aRecord, clock, writerId } from "../../packages/predictions/test/records.ts";

const folder = mkdtempSync(join(tmpdir(), "predictions-disk-"));
const mounted = mountSmallDisk();

function mountSmallDisk(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], { stdio: "pipe" });
    return true;
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return false; // no root on this machine
  }
}

afterAll(() => {
  if (mounted) execFileSync("umount", [folder]);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!mounted)("a really full disk", () => {
  test("durable is refused, buffered loses payloads and no record, and space brings both back", async () => {
    const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 256 * 1024 });
    const acknowledged: string[] = [];
    const context = aContext();
    const big = (n: number) => ({
      ...aRecord(context, n),
      inputs: {
        mediaType: "application/octet-stream",
        bytes: crypto.getRandomValues(new Uint8Array(30_000)),
      },
    });
    writeFileSync(join(folder, "other"), Buffer.alloc(1024 * 1024));
    for (let n = 0; n < 100; n++) acknowledged.push(await writer.append(big(n), { durability: "buffered" }));
    expect(writer.status().state).toBe("degraded");
    await expect(writer.append(big(100), { durability: "durable" })).rejects.toThrow("predictions.log_full");
    rmSync(join(folder, "other"));
    await new Promise((resolve) => setTimeout(resolve, 1200)); // the block's end makes the reserve anew
    acknowledged.push(await writer.append(big(101), { durability: "buffered" }));
    await expect.poll(() => writer.status().state, { timeout: 60_000 }).toBe("open");
    acknowledged.push(await writer.append(big(102), { durability: "durable" }));
    await writer.close();
    const records = [...readLog(folder)].flatMap((block) => block.records);
    expect(records.map(({ header }) => header.id)).toEqual(acknowledged);
    expect(records.at(-1)?.withheld).toBeUndefined();
    expect(records.filter(({ withheld }) => withheld === "no_space").length).toBeGreaterThan(50);
  });
});
