import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { ProcessorDemand, processTree } from "../src/index.ts";

/** Runs a shell, which ends with the test. */
async function shell(script: string): Promise<number> {
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child.pid ?? -1;
}

test.skipIf(process.platform !== "linux")(
  "what computes wants a processor as long as it runs, in its children too; what sleeps wants none",
  async () => {
    const busy = await shell("(echo begun; while :; do :; done); :");
    const idle = await shell("echo begun; sleep 60; :");
    expect((await processTree(busy)).length, "the shell and what it started").toBeGreaterThan(1);
    const [atWork, atRest] = [new ProcessorDemand(busy), new ProcessorDemand(idle)];
    const [before = 0, still = 0] = [await atWork.look(), await atRest.look()];
    await sleep(1_500);
    const [after = 0, later = 0] = [await atWork.look(), await atRest.look()];
    // On a machine that is busy elsewhere too it has or waits for most of the time.
    expect(after - before).toBeGreaterThan(300_000);
    expect(later - still).toBeLessThan(50_000);
    for (const { pid } of await processTree(busy)) process.kill(pid, "SIGKILL");
    for (let waited = 0; waited < 5_000 && (await processTree(busy)).length > 0; waited += 50)
      await sleep(50);
    expect(await atWork.look(), "of what has ended nobody can tell").toBeUndefined();
  },
);
