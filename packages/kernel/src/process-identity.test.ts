import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
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
  // A shell that has become another program never asks how its child ended.
  const parent = spawn("/bin/sh", ["-c", "sleep 60 & echo $!; exec sleep 61"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const identity = identityOf(Number(line.toString()));
  const command = (): string => readFileSync(`/proc/${parent.pid}/comm`, "utf8").trim();
  await expect.poll(command, { timeout: 20_000 }).toBe("sleep");
  expect(isAlive(identity)).toBe(true);
  process.kill(identity.pid, "SIGKILL");
  await expect.poll(() => isAlive(identity), { timeout: 20_000 }).toBe(false);
  // It still has its pid.
  expect(() => process.kill(identity.pid, 0)).not.toThrow();
  parent.kill("SIGKILL");
});
