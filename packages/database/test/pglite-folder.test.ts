import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../src/index.ts";

let folder: string;
const children: ChildProcess[] = [];
const data = () => join(folder, "pglite");

interface Opener {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves when that many lines were said, or the process ended. */
  until(count: number): Promise<void>;
  readonly ended: Promise<void>;
}

function startOpener(): Opener {
  const child = spawn(process.execPath, [join(import.meta.dirname, "pglite-process.ts"), data()], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const wake of waiting) wake();
  });
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  const until = (count: number): Promise<void> => {
    const said = new Promise<void>((done) => {
      const wake = () => lines.length >= count && done();
      waiting.add(wake);
      wake();
    });
    return Promise.race([said, ended]);
  };
  return { child, lines, until, ended };
}

/** `kill -9`, and the row numbers that were acknowledged before. */
async function kill({ child, lines, ended }: Opener): Promise<number[]> {
  child.kill("SIGKILL");
  await ended;
  return lines.filter((line) => /^\d+$/.test(line)).map(Number);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-pglite-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

test("while a process has the folder every other opener is refused; after kill -9 one takes over and no row is lost", async () => {
  const first = startOpener();
  await first.until(200);
  expect(first.lines[0]).toBe("open");
  await expect(openDatabase({ kind: "pglite", folder: data() })).rejects.toMatchObject({
    code: "database.locked",
    detail: expect.stringContaining(`process ${first.child.pid}`),
  });
  const acknowledged = await kill(first);
  expect(acknowledged.length).toBeGreaterThan(100);
  await access(`${data()}.lock`);

  const racers = [startOpener(), startOpener(), startOpener()];
  await Promise.all(racers.map((racer) => racer.until(50)));
  const winners = racers.filter((racer) => racer.lines[0] === "open");
  expect(winners.length).toBe(1);
  expect(racers.filter((racer) => !winners.includes(racer)).map(({ lines }) => lines)).toEqual([
    ["refused database.locked"],
    ["refused database.locked"],
  ]);
  const [winner] = winners;
  if (winner) acknowledged.push(...(await kill(winner)));

  await using database = await openDatabase({ kind: "pglite", folder: data() });
  const rows = await database.session((session) =>
    session.query<{ n: number }>("select n from acknowledged"),
  );
  const there = new Set(rows.map(({ n }) => n));
  expect(acknowledged.filter((n) => !there.has(n))).toEqual([]);
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  await expect(openDatabase({ kind: "pglite", folder: data() })).rejects.toMatchObject({
    code: "database.locked",
  });
});

test("the folder computes in a thread of its own: this thread goes on while a query runs", async () => {
  await using database = await openDatabase({ kind: "pglite", folder: data() });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  const started = performance.now();
  await database.session((session) =>
    session.query("select count(*) from generate_series(1, 3000000) as n where n % 7 = 3"),
  );
  const tookMs = performance.now() - started;
  clearInterval(timer);
  expect(tookMs).toBeGreaterThan(50);
  expect(ticks).toBeGreaterThan(tookMs / 50);
});

test("after an orderly close the folder is free, and the lock's file is gone", async () => {
  const database = await openDatabase({ kind: "pglite", folder: data() });
  await access(`${data()}.lock`);
  await database.close();
  await expect(access(`${data()}.lock`)).rejects.toThrow("ENOENT");
  await using again = await openDatabase({ kind: "pglite", folder: data() });
  const rows = await again.session((session) =>
    session.query<{ n: number }>("select count(*) as n from acknowledged"),
  );
  expect(rows[0]?.n).toBeGreaterThan(100);
});
