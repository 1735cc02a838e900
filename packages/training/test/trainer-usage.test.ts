import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";
import { childrenMicros, measuredCommand, textOf } from "../src/trainer-usage.ts";

interface Measured {
  readonly code: number | null;
  readonly micros: number | undefined;
  readonly out: string;
}

/** @param kill sent to all of them once they have written something */
async function measure(program: string, kill?: NodeJS.Signals): Promise<Measured> {
  const [command = "", ...args] = measuredCommand(["sh", "-c", program]);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe", "pipe"], detached: true });
  const [, out, err, times] = child.stdio;
  const said = [out, err, times].map((stream) => textOf(stream as Readable));
  const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
  if (kill) child.stdout?.once("data", () => process.kill(-(child.pid ?? 0), kill));
  const [text = "", errors = "", used = ""] = await Promise.all(said);
  return { code: await code, micros: childrenMicros(used), out: text + errors };
}

/** Works for so long, and says by its own clocks what all of it took. */
const worker = `const seconds = Number(process.argv[1]);
const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
let x = 0;
while (used() < seconds * 1e6) for (let i = 0; i < 1e5; i++) x += i;
console.log(used());`;
const work = (seconds: number): string => `node -e '${worker}' ${seconds}`;

test("processor time of a command and of what it started and waited for", async () => {
  const { code, micros = 0, out } = await measure(`${work(0.3)} & ${work(0.5)}; wait; exit 7`);
  const own = out.trim().split("\n").map(Number);
  expect([code, own.length]).toEqual([7, 2]);
  const said = own.reduce((sum, one) => sum + one, 0);
  expect(said).toBeGreaterThan(780_000);
  // Clocks of shells tick a hundred times a second; ending takes a while that no process can tell of itself.
  expect(micros).toBeGreaterThan(said - 50_000);
  expect(micros).toBeLessThan(said + 200_000);
});

test("a command that a signal ends is measured, too, says which, and says nothing of the shell's", async () => {
  // It goes on after what it says: only what a process waited for is its own.
  const terminated = await measure(`exec node -e '${worker} while (true) x++;' 0.2`, "SIGTERM");
  expect(terminated.code).toBe(143);
  expect(terminated.out).toMatch(/^\d+\n$/);
  expect(terminated.micros).toBeGreaterThan(180_000);
  expect(await measure("kill -s SEGV $$")).toMatchObject({ code: 139, out: "" });
});

test("the command cannot write what it used", async () => {
  expect(await measure("echo 0m9s >&3 || exit 5")).toMatchObject({ code: 5 });
  expect((await measure("( echo 0m9s >&3 ) 2>/dev/null; exit 0")).micros).toBeLessThan(500_000);
});
