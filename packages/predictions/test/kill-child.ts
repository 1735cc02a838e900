import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Runs the child until `killAfterMs` after its first acknowledgement, then kills it -9; the ids it had acknowledged. */
export async function runAndKill(args: readonly string[], killAfterMs: number): Promise<string[]> {
  const script = fileURLToPath(new URL("./gateway-child.ts", import.meta.url));
  // A file, not a pipe: a full pipe would end the child instead of slowing it.
  const folder = mkdtempSync(join(tmpdir(), "predictions-acks-"));
  const acks = join(folder, "acks");
  const fd = openSync(acks, "w");
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", fd, "pipe"] });
  closeSync(fd);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.on("close", (_code, signal) => resolve(signal)),
  );
  while (statSync(acks).size === 0 && child.exitCode === null) await sleep(5);
  await sleep(killAfterMs);
  child.kill("SIGKILL");
  const signal = await ended;
  const lines = readFileSync(acks, "utf8").split("\n");
  rmSync(folder, { recursive: true });
  if (signal !== "SIGKILL") throw new Error(`the child ended by itself: ${errors}`);
  return lines.slice(0, -1); // a cut last line was not acknowledged in whole
}
