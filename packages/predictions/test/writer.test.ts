import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PredictionId, PredictionWriter } from "../src/contract.ts";
import { genesisRoot } from "../src/format/block.ts";
import { readLog } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { sealDeadWriter } from "../src/writer/recovery.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { aContext, aRecord, clock, otherOrganisationId, writerId } from "./records.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "predictions-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (
  options: { budgetBytes?: number; reserveBytes?: number; readsEveryMs?: number } = {},
): Promise<PredictionWriter> =>
  openPredictionWriter({ folder, writerId, clock, reserveBytes: 64 * 1024, ...options });

function idsOnDisk(): PredictionId[] {
  return [...readLog(folder)].flatMap(({ records }) =>
    records.map(({ header }) => header.id as PredictionId),
  );
}

const readsOnDisk = () =>
  [...readLog(folder)]
    .flatMap(({ records }) => records)
    .flatMap(({ header: { status } }) => (status.kind === "read" ? [status] : []));

describe("the writer", () => {
  test("what was acknowledged reads back, chained, under one subtree per organisation", async () => {
    const writer = await open();
    const contexts = [aContext(), aContext(otherOrganisationId)] as const;
    const ids = await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        writer.append(aRecord(contexts[n % 2 === 0 ? 0 : 1], n), {
          durability: n % 3 === 0 ? "durable" : "buffered",
        }),
      ),
    );
    await writer.close();
    expect(idsOnDisk().toSorted()).toEqual(ids.toSorted());
    const blocks = [...readLog(folder)];
    expect(blocks[0]?.block.end.previousRoot).toBe(genesisRoot);
    expect(blocks[0]?.block.end.organisations.map(({ count }) => count)).toEqual([250, 250]);
  });

  test("the epoch rises at each start and the chain goes on over starts", async () => {
    for (let start = 1; start <= 3; start++) {
      const writer = await open();
      expect(writer.epoch).toBe(start);
      await writer.append(aRecord(aContext(), start), { durability: "durable" });
      await writer.close();
    }
    const blocks = [...readLog(folder)].map(({ block }) => block);
    expect(blocks.map(({ end }) => end.epoch)).toEqual([1, 2, 3]);
    expect(blocks[2]?.end.previousRoot).toBe(blocks[1]?.root);
    expect(blocks[1]?.end.previousRoot).toBe(blocks[0]?.root);
  });

  test("two writers never share a folder", async () => {
    const writer = await open();
    await expect(open()).rejects.toThrow("predictions.log_locked");
    expect(() => sealDeadWriter(folder, writerId, clock)).toThrow("predictions.log_locked");
    await writer.close();
    await (await open()).close();
  });

  test("a flood of refusals is counted, not lost", async () => {
    const writer = await open();
    const refusal = {
      context: aContext(),
      principal: "sa_x",
      requestId: "r",
      receivedAt: clock.now(),
      httpStatus: 429,
      reason: "serving.rate_limited",
    };
    await Promise.all(Array.from({ length: 1000 }, () => writer.refuse(refusal)));
    await writer.close();
    const counts = [...readLog(folder)]
      .flatMap(({ records }) => records)
      .map(({ header }) => (header.status.kind === "refused" ? header.status.count : 0));
    expect(counts).toEqual([1, 1, 1, 1, 1, 995]);
  });

  test("reads of features are announced before they are answered, and counted into one record after that", async () => {
    const writer = await open();
    const read = (principal: string, entities: number) =>
      writer.noteRead({
        context: aContext(),
        principal,
        purpose: "care",
        requestId: "r",
        receivedAt: clock.now(),
        views: ["accounts@1"],
        entities,
      });
    await read("sa_x", 3);
    // Written: a process that is killed now has told who read what for.
    expect(writer.status().appendedRecords).toBe(1);
    for (let n = 0; n < 1000; n++) expect(read("sa_x", 2)).toBeUndefined();
    await read("sa_y", 1);
    await writer.close();
    expect(readsOnDisk()).toMatchObject([
      { requests: 1, entities: 3 },
      { requests: 1, entities: 1 },
      { requests: 1000, entities: 2000 },
    ]);
    expect(() => sealDeadWriter(folder, writerId, clock)).not.toThrow();
  });

  test("what is counted of reads is written at the minute's end, and the next minute begins with an announcement", async () => {
    const writer = await open({ readsEveryMs: 50 });
    const read = () =>
      writer.noteRead({
        context: aContext(),
        principal: "sa_x",
        requestId: "r",
        receivedAt: clock.now(),
        views: ["accounts@1"],
        entities: 1,
      });
    await read();
    await read();
    await expect.poll(() => writer.status().appendedRecords).toBe(2);
    expect(read()).toBeInstanceOf(Promise);
    await writer.close();
    expect(readsOnDisk().map(({ requests }) => requests)).toEqual([1, 1, 1]);
  });

  test("of more views than a record names, and of longer names, it tells those that it can", async () => {
    const writer = await open();
    const views = Array.from({ length: 150 }, (_, n) => `v${n}${"x".repeat(300)}@1`);
    const read = {
      context: aContext(),
      principal: "sa_x",
      requestId: "r",
      receivedAt: clock.now(),
      entities: 1,
    };
    await writer.noteRead({ ...read, views });
    await writer.close();
    expect(readsOnDisk()[0]?.views.map((view) => view.length)).toEqual(
      Array.from({ length: 100 }, () => 200),
    );
  });

  test("a read that cannot be put on the record is refused", async () => {
    const writer = await open();
    await writer.close();
    const read = {
      context: aContext(),
      principal: "sa_x",
      requestId: "r",
      receivedAt: clock.now(),
      views: [],
      entities: 1,
    };
    // Those that come before the first is refused are refused with it.
    const reads = [1, 2, 3].map(async () => writer.noteRead(read));
    for (const { status } of await Promise.allSettled(reads)) expect(status).toBe("rejected");
    await expect(writer.noteRead(read)).rejects.toThrow("predictions.");
  });

  test("without space, durable is refused and buffered keeps the record but not its payload", async () => {
    const writer = await open({ reserveBytes: 64 * 1024, budgetBytes: 300 * 1024 });
    const context = aContext();
    // Random bytes do not compress: the budget is really used up.
    const big = (n: number) => ({
      ...aRecord(context, n),
      inputs: {
        mediaType: "application/octet-stream",
        bytes: crypto.getRandomValues(new Uint8Array(20_000)),
      },
    });
    const acknowledged: PredictionId[] = [];
    for (let n = 0; n < 40; n++) acknowledged.push(await writer.append(big(n), { durability: "buffered" }));
    expect(writer.status().state).toBe("degraded");
    expect(writer.status().droppedPayloads).toBeGreaterThan(20);
    await expect(writer.append(big(99), { durability: "durable" })).rejects.toThrow("predictions.log_full");
    await writer.close();
    expect(idsOnDisk()).toEqual(acknowledged);
    const withheld = [...readLog(folder)]
      .flatMap(({ records }) => records)
      .filter((record) => record.withheld);
    expect(withheld.length).toBeGreaterThan(20);
    expect(withheld.every((record) => record.withheld === "no_space")).toBe(true);
  });
});

describe("recovery (P15)", () => {
  test("cut at every byte of the tail: every whole frame stays, the block is sealed, the chain holds", async () => {
    const writer = await open();
    const context = aContext();
    await writer.append(aRecord(context, 0), { durability: "durable" });
    const [segment] = listSegments(folder);
    if (!segment) throw new Error("no segment");
    const frameEnds: { end: number; ids: PredictionId[] }[] = [];
    const ids: PredictionId[] = [];
    for (let n = 1; n <= 4; n++) {
      ids.push(await writer.append(aRecord(context, n), { durability: "buffered" }));
      frameEnds.push({ end: statSync(segment.path).size, ids: [...ids] });
    }
    await writer.close();
    const source = readFileSync(segment.path);
    const tailStart = frameEnds[1]?.end ?? 0;
    // Thousands of recoveries: in memory where there is such a folder, so that fsync costs nothing.
    const trial = join(existsSync("/dev/shm") ? mkdtempSync("/dev/shm/predictions-") : folder, "trial");
    for (let length = tailStart; length <= source.length; length++) {
      rmSync(trial, { recursive: true, force: true });
      mkdirSync(trial);
      copyFileSync(segment.path, join(trial, basename(segment.path)));
      truncateSync(join(trial, basename(segment.path)), length);
      sealDeadWriter(trial, writerId, clock);
      const blocks = [...readLog(trial)];
      const found = new Set(
        blocks.flatMap(({ records }) => records.map(({ header }) => header.id as PredictionId)),
      );
      const kept = frameEnds.findLast(({ end }) => end <= length);
      for (const id of kept?.ids ?? []) expect(found.has(id)).toBe(true);
    }
    rmSync(dirname(trial), { recursive: true, force: true });
  }, 240_000); // some 1,500 recoveries: seconds alone, minutes beside other work

  test("recovering twice changes nothing", async () => {
    const writer = await open();
    await writer.append(aRecord(aContext(), 1), { durability: "buffered" });
    await writer.close();
    const [segment] = listSegments(folder);
    if (!segment) throw new Error("no segment");
    truncateSync(segment.path, statSync(segment.path).size - 3);
    const first = sealDeadWriter(folder, writerId, clock);
    const bytes = readFileSync(segment.path);
    const second = sealDeadWriter(folder, writerId, clock);
    expect(first.sealedBlock).toBe(0);
    expect(second).toEqual({ epoch: 1, root: first.root, tornBytes: 0 });
    expect(readFileSync(segment.path).equals(bytes)).toBe(true);
  });
});
