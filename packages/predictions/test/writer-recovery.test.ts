import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Durability, PredictionId, PredictionWriter } from "../src/contract.ts";
import { readLog } from "../src/format/reader.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { aContext, aRecord, clock, writerId } from "./records.ts";

let folder: string;
/** The log's threads, as Node announces them; the last one writes. */
const threads: Worker[] = [];
const remember = (thread: Worker): void => void threads.push(thread);
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "predictions-")), "log");
  process.on("worker", remember);
});
afterEach(() => {
  process.removeListener("worker", remember);
  threads.length = 0;
  rmSync(join(folder, ".."), { recursive: true, force: true });
});

const events: string[] = [];
function open(): Promise<PredictionWriter> {
  events.length = 0;
  return openPredictionWriter({
    folder,
    writerId,
    clock,
    reserveBytes: 64 * 1024,
    onFailure: () => events.push("failed"),
    onRecovered: (epoch) => events.push(`epoch ${epoch}`),
  });
}

function idsOnDisk(): PredictionId[] {
  return [...readLog(folder)].flatMap(({ records }) =>
    records.map(({ header }) => header.id as PredictionId),
  );
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(condition()).toBe(true);
}

/** Appends one after the other until told to stop; what was acknowledged. */
function client(writer: PredictionWriter, durability: Durability) {
  const acknowledged: PredictionId[] = [];
  let refused = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      try {
        acknowledged.push(await writer.append(aRecord(aContext(), n), { durability }));
      } catch (error) {
        expect(error).toMatchObject({ code: "predictions.log_failed" });
        refused++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  };
  const done = run();
  return {
    acknowledged,
    refused: () => refused,
    async stop(): Promise<void> {
      isOver = true;
      await done;
    },
  };
}

describe("after a failure the writer goes on by itself", () => {
  test("its thread dies under load, five times: every acknowledged record is there once, in one chain", async () => {
    const writer = await open();
    const clients = [client(writer, "buffered"), client(writer, "durable")];
    for (let death = 1; death <= 5; death++) {
      const before = clients.map(({ acknowledged }) => acknowledged.length);
      await until(() => clients.every(({ acknowledged }, i) => acknowledged.length > (before[i] ?? 0) + 5));
      await threads.at(-1)?.terminate();
      await until(() => writer.epoch === death + 1);
    }
    const last = clients.map(({ acknowledged }) => acknowledged.length);
    await until(() => clients.every(({ acknowledged }, i) => acknowledged.length > (last[i] ?? 0)));
    for (const one of clients) await one.stop();
    expect(clients.every(({ refused }) => refused() > 0)).toBe(true);
    expect(writer.status().state).toBe("open");
    const appended = clients.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    expect(writer.status().appendedRecords).toBeGreaterThanOrEqual(appended);
    await writer.close();
    const found = idsOnDisk();
    expect(new Set(found).size).toBe(found.length);
    const kept = new Set(found);
    for (const { acknowledged } of clients) expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    expect(events).toEqual([2, 3, 4, 5, 6].flatMap((epoch) => ["failed", `epoch ${epoch}`]));
  });

  test("the folder is away for a while: refused meanwhile, refusals counted, then all goes on", async () => {
    const writer = await open();
    const first = await writer.append(aRecord(aContext(), 1), { durability: "buffered" });
    renameSync(folder, `${folder}.away`);
    // The block's end looks at the folder.
    await until(() => writer.status().state === "failed");
    await expect(writer.append(aRecord(aContext(), 2), { durability: "buffered" })).rejects.toMatchObject({
      code: "predictions.log_failed",
    });
    const refusal = {
      context: aContext(),
      principal: "sa_x",
      requestId: "r",
      receivedAt: clock.now(),
      httpStatus: 503,
      reason: "serving.log_unavailable",
    };
    for (let n = 0; n < 3; n++) expect(await writer.refuse(refusal)).toBeUndefined();
    await until(() => writer.status().problem?.includes("ENOENT") === true);
    renameSync(`${folder}.away`, folder);
    await until(() => writer.status().state === "open");
    expect(writer.status().problem).toBeUndefined();
    const second = await writer.append(aRecord(aContext(), 3), { durability: "durable" });
    await writer.close();
    const records = [...readLog(folder)].flatMap(({ records: inBlock }) => inBlock);
    const ids = records.map(({ header }) => header.id);
    expect(ids).toContain(first);
    expect(ids).toContain(second);
    const refused = records.map(({ header }) => (header.status.kind === "refused" ? header.status.count : 0));
    expect(refused.reduce((sum, count) => sum + count, 0)).toBe(3);
  });

  test("a writer that is closed while it cannot write ends, and the next one has what was acknowledged", async () => {
    const writer = await open();
    const id = await writer.append(aRecord(aContext(), 1), { durability: "durable" });
    renameSync(folder, `${folder}.away`);
    await until(() => writer.status().state === "failed");
    renameSync(`${folder}.away`, folder);
    await writer.close();
    const next = await open();
    await next.close();
    expect(idsOnDisk()).toEqual([id]);
  });
});

/** Own mounts need root or a kernel that lets users have them. */
const isolated = ((): string[] | undefined => {
  for (const flags of [["--mount"], ["--mount", "--user", "--map-root-user"]]) {
    try {
      execFileSync("unshare", [...flags, "sh", "-c", "mount -t tmpfs none /mnt"], { stdio: "ignore" });
      return flags;
    } catch {
      // the next way
    }
  }
  return undefined;
})();

test.skipIf(isolated === undefined)(
  "a full disk under which the thread dies: it goes on when there is room, with all that was acknowledged",
  async () => {
    const child = join(import.meta.dirname, "full-disk-child.ts");
    const mount = `mount -t tmpfs -o size=2m none "$1" && exec "$2" "$3" "$1"`;
    rmSync(folder, { recursive: true, force: true });
    const place = mkdtempSync(join(folder, "..", "disk-"));
    const { stdout } = await promisify(execFile)("unshare", [
      ...(isolated ?? []),
      "sh",
      "-c",
      mount,
      "sh",
      place,
      process.execPath,
      child,
    ]);
    const seen = JSON.parse(stdout) as { acknowledged: number; lost: number; problem: string; epoch: number };
    expect(seen.problem).toContain("ENOSPC");
    expect(seen.acknowledged).toBeGreaterThan(3);
    expect(seen).toMatchObject({ lost: 0, epoch: 2 });
  },
);
