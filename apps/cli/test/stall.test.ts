import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { freePort } from "../src/supervisor/ports.ts";
import { untilStalled } from "../src/supervisor/stall.ts";
import { SupervisedProcess } from "../src/supervisor/supervised-process.ts";

/** Answers until it is asked for `/sleep` or `/compute`: then its main thread does that alone, for good. */
const server = `
const { createServer } = require("node:http");
createServer((request, response) => {
  response.end("well");
  if (request.url === "/sleep") setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  if (request.url === "/compute") setImmediate(() => { for (;;); });
}).listen(Number(process.argv[1]), "127.0.0.1");
`;
const pace = { everyMs: 100, looks: 4 } as const;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function started(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const port = await freePort();
  const child = spawn(process.execPath, ["-e", server, String(port)], { stdio: "ignore" });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  await expect.poll(() => isWell(url), { timeout: 20_000 }).toBe(true);
  return { child, url };
}

function isWell(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

describe.skipIf(process.platform !== "linux")("a process that stands still", () => {
  test("is found once it neither answers nor computes", async () => {
    const one = await started();
    const stop = new AbortController();
    const watch = untilStalled(one.child.pid ?? 0, { url: one.url, ...pace }, stop.signal);
    await delay(300);
    await isWell(`${one.url}/sleep`);
    expect(await watch).toBe(true);
  });

  test.each([
    [
      "computes",
      async ({ url }: Awaited<ReturnType<typeof started>>) => void (await isWell(`${url}/compute`)),
    ],
    [
      "was stopped by somebody",
      async ({ child }: Awaited<ReturnType<typeof started>>) => void child.kill("SIGSTOP"),
    ],
    ["answers", async () => undefined],
  ])("is left alone while it %s", async (_, make) => {
    const one = await started();
    const stop = new AbortController();
    const watch = untilStalled(one.child.pid ?? 0, { url: one.url, ...pace }, stop.signal);
    await delay(300);
    await make(one);
    expect(await Promise.race([watch, delay(1200, "left alone")])).toBe("left alone");
    stop.abort();
    expect(await watch).toBe(false);
  });

  test("is ended and started again by the supervisor", async () => {
    const folder = mkdtempSync(join(tmpdir(), "portolan-stall-"));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const happened: string[] = [];
    const supervised = new SupervisedProcess(
      {
        name: "one",
        args: ["-e", server, String(port)],
        env: {},
        logFile: join(folder, "log"),
        stall: { url, ...pace },
      },
      {
        started: () => happened.push("started"),
        died: (__, how) => happened.push(how),
        stalled: () => happened.push("stalled"),
      },
    );
    supervised.start();
    try {
      await expect.poll(() => isWell(url), { timeout: 20_000 }).toBe(true);
      await delay(300);
      await isWell(`${url}/sleep`);
      await expect
        .poll(() => happened, { timeout: 20_000 })
        .toEqual(["started", "stalled", "SIGKILL", "started"]);
      await expect.poll(() => isWell(url), { timeout: 20_000 }).toBe(true);
    } finally {
      await supervised.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
