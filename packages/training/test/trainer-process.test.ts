import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TrainerUsage } from "../src/trainer-usage.ts";
import { requirePython, trial } from "./trainer-fixture.ts";

const python = await requirePython();
let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "portolan-trainer-"));
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** Pids of the processes that work on a run folder. */
async function processesOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(`PORTOLAN_CHECKPOINT=${folder}/`)) found.push(Number(pid));
  }
  return found;
}

/** Kills a trainer at a random moment once it runs; 0 when it was over before. */
async function killAtWork(folder: string, running: Promise<unknown>): Promise<0 | 1> {
  let ended = false;
  void running.then(() => {
    ended = true;
  });
  while (!ended && (await processesOf(folder)).length === 0) await delay(5);
  await delay(Math.random() * 250);
  const pids = await processesOf(folder);
  for (const pid of pids)
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // The end of one may take the others with it.
    }
  return pids.length > 0 ? 1 : 0;
}

describe.skipIf(python === undefined)("the trainer contract", () => {
  const start = (name: string, params: Record<string, string | number>, more = {}) => {
    if (python === undefined) throw new Error("skipped");
    return trial(python, join(base, name), params, more);
  };
  const modelOf = async (name: string, params: Record<string, string | number>): Promise<string> => {
    const one = await start(name, params);
    return readFile((await one.run()).model, "utf8");
  };

  test("the same inputs give the same model, and another seed of inputs another", async () => {
    const one = await modelOf("same-1", { rounds: 5 });
    expect(await modelOf("same-2", { rounds: 5 })).toBe(one);
    expect(await modelOf("same-3", { rounds: 6 })).not.toBe(one);
  });

  test("a model to start from is shown to it, and is an input like any other", async () => {
    const model = join(base, "base.onnx");
    await writeFile(model, "a model");
    const started = async (name: string) =>
      readFile((await (await start(name, { rounds: 2 }, { baseModel: model })).run()).model, "utf8");
    const one = await started("based-1");
    expect(await started("based-2")).toBe(one);
    expect(one).not.toBe(await modelOf("baseless", { rounds: 2 }));
  });

  test("SIGTERM makes it checkpoint, and started again it goes on from there to the same model", async () => {
    const params = { rounds: 30 };
    const whole = await modelOf("whole", params);
    const first = await start("parts", params);
    await mkdir(join(base, "parts", "checkpoint"));
    await writeFile(join(base, "parts", "checkpoint", "hold"), "3");
    const running = first.run();
    await first.saw("round 3");
    first.stop.abort();
    await expect(running).rejects.toMatchObject({
      code: "training.interrupted",
      detail: expect.stringContaining("told to stop") as string,
    });
    expect(await first.checkpointRound()).toBe(3);
    await rm(join(base, "parts", "checkpoint", "hold"));
    const second = await start("parts", params);
    const done = await second.run();
    expect(await second.log()).toContain("starts at 3");
    expect(await readFile(done.model, "utf8")).toBe(whole);
    expect(done.metrics).toEqual({ rounds: 30 });
  });

  test("kill -9 at random moments loses no round and changes no byte", async () => {
    const params = { rounds: 25, pause: 0.02 };
    const whole = await modelOf("unkilled", params);
    let kills = 0;
    // A run that came to its end before it was hit is followed by another one: four are killed at work, on any machine.
    for (let turn = 0; kills < 4; turn++) {
      for (let over = false; !over; ) {
        const one = await start(`killed-${turn}`, params);
        const running = one.run().then(
          (outcome) => outcome,
          (error: unknown) => error,
        );
        if (kills < 4) kills += await killAtWork(join(base, `killed-${turn}`), running);
        const end = await running;
        over = !(end instanceof Error);
        if (over) expect(await readFile((end as { model: string }).model, "utf8")).toBe(whole);
        else expect(end).toMatchObject({ code: "training.interrupted" });
      }
    }
  });

  test("it sees a scrubbed environment: nothing of the server's, no home, no secrets", async () => {
    process.env["PORTOLAN_TEST_SECRET"] = "hunter2";
    try {
      const one = await start("environment", { rounds: 1, mode: "environment" });
      await one.run();
      const log = await one.log();
      const seen = JSON.parse(log.slice(0, log.indexOf("\n"))) as Record<string, string>;
      expect(log).not.toContain("hunter2");
      // Python itself may add LC_CTYPE, the shell PWD and its like.
      const shell = ["PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"];
      const names = Object.keys(seen).filter(
        (name) => !shell.includes(name) && !name.startsWith("PORTOLAN_"),
      );
      expect(names.toSorted()).toEqual([
        "HOME",
        "LC_ALL",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONUNBUFFERED",
        "TMPDIR",
        "TZ",
      ]);
      expect(seen).toMatchObject({ HOME: join(base, "environment", "scratch") });
    } finally {
      delete process.env["PORTOLAN_TEST_SECRET"];
    }
  });

  test("it reaches no address where the kernel can keep it off the network, and the outcome says which it was", async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const one = await start("network", { rounds: 1, mode: "network", port });
      const { isolation } = await one.run();
      expect(await one.log()).toContain(isolation.networkBlocked ? "blocked" : "reached");
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("its time limit ends the whole tree: what ignores SIGTERM, its children, and those that left its group", async () => {
    // The limit must end it after it has started its children; on a slow machine that takes a longer one.
    for (let timeoutMs = 1_000, whole = false; !whole; timeoutMs *= 2) {
      expect(timeoutMs).toBeLessThan(60_000);
      const folder = join(base, `stubborn-${timeoutMs}`);
      const one = await start(`stubborn-${timeoutMs}`, { mode: "stubborn" }, { timeoutMs, graceMs: 300 });
      const running = one.run();
      let seen = 0;
      const watched = running.catch(() => -1).then(() => -1);
      while ((await Promise.race([watched, delay(10)])) !== -1)
        if ((await one.log()).includes("stubborn")) seen = Math.max(seen, (await processesOf(folder)).length);
      await expect(running).rejects.toMatchObject({
        code: "training.trainer_failed",
        detail: "the trainer took longer than its limit",
      });
      expect(await processesOf(folder)).toEqual([]);
      whole = seen >= 3;
    }
  });

  test("a trainer that outlived its control process is ended before the next one starts", async () => {
    const first = await start("orphan", { mode: "stubborn" });
    const lost = first.run();
    lost.catch(() => undefined);
    await first.saw("stubborn");
    const old = await processesOf(join(base, "orphan"));
    const next = await start("orphan", { rounds: 2 });
    await next.run();
    expect(old.length).toBeGreaterThanOrEqual(3);
    expect(await processesOf(join(base, "orphan"))).toEqual([]);
    await expect(lost).rejects.toMatchObject({ code: "training.interrupted" });
  });

  test("too much memory, too much CPU time and a plain failure end the trainer alone, with its last words", async () => {
    const failing = await start("fail", { mode: "fail" });
    await expect(failing.run()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: expect.stringContaining("no luck today") as string,
    });
    const crashing = await start("crash", { mode: "crash" });
    await expect(crashing.run()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: expect.stringMatching(/SIGSEGV|139/) as string,
    });
    let used: TrainerUsage | undefined;
    let wanted: TrainerUsage | undefined;
    const onUsed = (now: TrainerUsage): void => {
      used = now;
      if (now.demandMicros !== undefined) wanted = now;
    };
    const busy = await start("spin", { mode: "spin" }, { cpuSeconds: 1, onUsed });
    await expect(busy.run()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: "the trainer used more CPU time than its limit",
    });
    // The kernel ended it after a second, by its own ticks; what put it behind its walls is counted, too.
    expect(used?.cpuMicros).toBeGreaterThan(800_000);
    expect(used?.cpuMicros).toBeLessThan(2_500_000);
    // What it stood in line for is beside what it had, by which others judge whether it is idle.
    expect(wanted?.demandMicros).toBeGreaterThanOrEqual(wanted?.cpuMicros ?? Number.POSITIVE_INFINITY);
    // More than a Python that holds nothing, less than its limit.
    expect(used?.peakMemoryBytes).toBeGreaterThan(4 * 2 ** 20);
    expect(used?.peakMemoryBytes).toBeLessThan(2 ** 28);
    const small = await start("memory", { rounds: 1 }, { memoryLimitBytes: 4 * 2 ** 20 });
    await expect(small.run()).rejects.toMatchObject({ code: "training.trainer_failed" });
  });

  test("a missing model, a link in its place and metrics that are no numbers are refused", async () => {
    await expect((await start("nothing", { mode: "nothing" })).run()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: expect.stringContaining("no model.onnx") as string,
    });
    await expect((await start("link", { mode: "link" })).run()).rejects.toMatchObject({
      code: "training.trainer_failed",
    });
    await expect((await start("nan", { mode: "nan" })).run()).rejects.toMatchObject({
      detail: expect.stringContaining("finite numbers") as string,
    });
  });

  test("output of an earlier attempt is never taken for this one's", async () => {
    const good = await start("stale", { rounds: 1 });
    await good.run();
    await expect((await start("stale", { rounds: 1, mode: "nothing" })).run()).rejects.toMatchObject({
      code: "training.trainer_failed",
    });
    await rm(join(base, "stale", "output"), { recursive: true });
    await symlink("/", join(base, "stale", "output"));
    await expect((await start("stale", { rounds: 1, mode: "nothing" })).run()).rejects.toMatchObject({
      code: "training.trainer_failed",
    });
    expect((await readdir("/")).length).toBeGreaterThan(3);
  });
});
