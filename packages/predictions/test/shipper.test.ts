import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBlock } from "../src/format/block.ts";
import { closedBlocks, readLog } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { judgeBlock } from "../src/policy.ts";
import { createShipper, type DeliveryAnswer } from "../src/shipping/shipper.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { aContext, aRecord, clock, writerId } from "./records.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "predictions-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A receiver that judges as control does, and can be away or forget. */
function receiver() {
  const state = { blocks: [] as { epoch: number; block: number; root: string }[], away: false };
  const deliver = (bytes: Uint8Array): Promise<DeliveryAnswer> => {
    if (state.away) return Promise.reject(new Error("connection refused"));
    for (const closed of closedBlocks(Buffer.from(bytes))) {
      const { root, end } = openBlock(closed.bytes);
      const place = { epoch: end.epoch, block: end.block, root, previousRoot: end.previousRoot };
      const last = state.blocks.at(-1);
      const verdict = judgeBlock(last, state.blocks.find((known) => known.root === root)?.root, place);
      if (verdict.kind === "gap")
        return Promise.resolve({ kind: "gap", ...(last === undefined ? {} : { last }) });
      if (verdict.kind === "fork") return Promise.resolve({ kind: "refused", reason: "fork" });
      if (verdict.kind === "next") state.blocks.push(place);
    }
    return Promise.resolve({ kind: "accepted" });
  };
  return { state, deliver };
}

/** Records whose inputs do not compress, one block per 8 MB and one at the end. */
async function writeRecords(records: number, bytes: number): Promise<void> {
  const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
  const context = aContext();
  const inputs = { mediaType: "application/octet-stream", bytes: randomBytes(bytes) };
  for (let n = 0; n < records; n++) {
    await writer.append({ ...aRecord(context, n), inputs }, { durability: "buffered" });
  }
  await writer.close();
}

test("segments end at a block near 64 MB, stay one chain, and go when all of them is delivered", async () => {
  await writeRecords(70, 1024 * 1024);
  const sizes = listSegments(folder).length;
  expect(sizes).toBe(2);
  const blocks = [...readLog(folder)].length;
  expect(blocks).toBeGreaterThanOrEqual(9);
  const { state, deliver } = receiver();
  const shipper = createShipper({ folder, deliver, pollMs: 5 });
  await shipper.flush();
  await shipper.close();
  expect(state.blocks).toHaveLength(blocks);
  expect(listSegments(folder)).toHaveLength(1);
});

test("while control is away nothing goes; when it forgot, it gets again what is still there", async () => {
  for (let start = 0; start < 3; start++) await writeRecords(1, 100);
  const { state, deliver } = receiver();
  state.away = true;
  const first = createShipper({ folder, deliver, pollMs: 5 });
  await expect(first.flush()).rejects.toThrow("connection refused");
  expect(first.status()).toEqual({ problem: "connection refused" });
  await first.close();
  expect(listSegments(folder)).toHaveLength(3);

  // Control takes all and is restored from a backup before the newest segment's block.
  state.away = false;
  const second = createShipper({ folder, deliver, pollMs: 5 });
  await second.flush();
  await second.close();
  expect(state.blocks.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  expect(listSegments(folder)).toHaveLength(1);
  state.blocks.pop();
  await writeRecords(1, 100);
  const third = createShipper({ folder, deliver, pollMs: 5 });
  await third.flush();
  await third.close();
  expect(state.blocks.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);

  // Restored from before what the gateway may drop: that is said, and nothing more is dropped.
  state.blocks.splice(1);
  await writeRecords(1, 100);
  const fourth = createShipper({ folder, deliver, pollMs: 5 });
  await expect(fourth.flush()).rejects.toThrow("control lacks blocks");
  await fourth.close();
  expect(listSegments(folder).length).toBeGreaterThan(1);
});
