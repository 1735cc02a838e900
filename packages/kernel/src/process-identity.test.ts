import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { identityOf, isAlive } from "./process-identity.ts";

test("a process is alive until it ends, and a later one with its pid is another", async () => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  const identity = identityOf(child.pid ?? 0);
  expect(isAlive(identity)).toBe(true);
  expect(isAlive({ ...identity, started: "1" })).toBe(process.platform !== "linux");
  expect(isAlive({ ...identity, started: "" })).toBe(true);
  child.stdin.end();
  await once(child, "exit");
  expect(isAlive(identity)).toBe(false);
  expect(identityOf(identity.pid).started).toBe("");
});

test.runIf(process.platform === "linux")("a zombie is not alive", async () => {
  // A shell that becomes another program never asks how its child ended.
  const parent = spawn("/bin/sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const identity = { pid: Number(line.toString()), started: "" };
  await expect.poll(() => isAlive(identity), { timeout: 10_000 }).toBe(false);
  // It still has its pid.
  expect(() => process.kill(identity.pid, 0)).not.toThrow();
  parent.kill("SIGKILL");
});
