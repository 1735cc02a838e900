import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { historyMicros } from "@portolan/features/log-record";
import type { EventRecord } from "@portolan/features/online-windows";
import { asEpochMicros } from "@portolan/kernel";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { openOnlineStore } from "../src/index.ts";
import { foldWindows, lastLine, windowHeader, windowLine } from "./window-child.ts";

/** docs/spec/features.md F18, F33 to F35, on disk. */

const program = fileURLToPath(new URL("./window-child.ts", import.meta.url));

/** Runs the writer until it is done; kills it in the middle of a fold again and again. */
async function foldKilled(folder: string): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    const writer = spawn(process.execPath, [program, folder], { stdio: ["pipe", "pipe", "inherit"] });
    const gone = new Promise((resolve) => writer.once("exit", resolve));
    let folded = 0;
    let isDone = false;
    for await (const line of createInterface({ input: writer.stdout })) {
      if (line === "done") isDone = true;
      if (line !== "folded") continue;
      folded += 1;
      if (folded <= 7) writer.stdin.write("on\n");
      if (folded === 7) setTimeout(() => writer.kill("SIGKILL"), Math.random() * 6);
    }
    await gone;
    if (isDone) return kills;
  }
}

async function dump(of: string): Promise<string[]> {
  const raw = open({ path: join(of, "online.lmdb"), readOnly: true, encoding: "binary" });
  const entries = [...raw.getRange()].map(
    ({ key, value }) => `${JSON.stringify(key)} ${(value as Buffer).toString("hex")}`,
  );
  await raw.close();
  return entries;
}

test("a writer killed with kill -9 again and again leaves, bit for bit, the windows of one that was not; and they are right", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-windows-"));
  const [undisturbed, killed] = [join(folder, "undisturbed"), join(folder, "killed")];
  const calm = openOnlineStore({ folder: undisturbed });
  await foldWindows(calm, () => Promise.resolve());
  await calm.close();
  expect(await foldKilled(killed)).toBeGreaterThan(2);
  const [expected, found] = await Promise.all([undisturbed, killed].map(dump));
  expect(found).toEqual(expected);
  const store = openOnlineStore({ folder: killed, readOnly: true });
  const end = Math.floor(lastLine / 5) * 1_000_000;
  const lines = Array.from({ length: lastLine }, (_, index) => windowLine(index + 1));
  for (const key of ["k0", "k3"])
    for (const at of [end - historyMicros, end - 1, end, end + 30_000_000]) {
      const [answer] = await store.read([{ view: windowHeader, key: [key] }], asEpochMicros(at));
      expect(Object.values(answer?.values ?? {}).map(({ value }) => value)).toEqual(valuesAt(lines, key, at));
    }
  expect(await store.windowState(windowHeader)).toMatchObject({
    entities: 5,
    mostTiles: expect.any(Number) as number,
  });
  // Of forty minutes the last eleven are kept.
  expect((await store.windowState(windowHeader))?.events).toBeLessThan(lastLine / 2);
  await store.close();
  await rm(folder, { recursive: true });
});

/** Every line against the moment. */
function valuesAt(lines: ReturnType<typeof windowLine>[], key: string, at: number): (number | null)[] {
  const own = lines.filter((line) => line.key[0] === key).map(({ record }) => record as EventRecord);
  const gone = new Set(
    own.flatMap(({ withdraws, available }) =>
      withdraws !== undefined && available <= at ? [withdraws] : [],
    ),
  );
  const events = own.filter(
    ({ withdraws, available, sequence }) => withdraws === undefined && available <= at && !gone.has(sequence),
  );
  const within = (seconds: number) =>
    events.filter(({ event }) => event > at - seconds * 1_000_000).map(({ values }) => Number(values[0]));
  const [few, many] = [within(90), within(640)];
  return [
    many.length,
    few.length === 0 ? null : few.reduce((sum, value) => sum + value, 0),
    many.length === 0 ? null : Math.max(...many),
  ];
}
