import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { createDelays, createShopKey, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { cliMain, type Product, startProduct } from "../../apps/cli/test/product.ts";

/** Twelve days of a device without its control, in a minute or two: the wall clock of all processes is moved. */
const days = 12;
const dayMs = 86_400_000;
/** The least that a device may have; what is asked of it here takes more, so that payloads go at the end. */
const budgetMiB = 32;
const requestsADay = 16;

let product: Product;
let folder: string;
let key: string;
let url: string;
let device: ChildProcess | undefined;
let output = "";
let aheadMs = 0;
const done = doneBy(() => product);

function environment(): Record<string, string | undefined> {
  return {
    ...process.env,
    NODE_OPTIONS: `--import=${fileURLToPath(new URL("moved-clock.ts", import.meta.url))}`,
    MOVED_CLOCK: join(folder, "ahead"),
  };
}

/** Clocks look every 20 ms, and never at a file that is half written. */
async function pass(ms: number): Promise<void> {
  aheadMs += ms;
  writeFileSync(join(folder, "ahead.new"), String(aheadMs));
  renameSync(join(folder, "ahead.new"), join(folder, "ahead"));
  await new Promise((resolve) => setTimeout(resolve, 100));
}

/** @returns the prediction's id, else what was said instead of an answer */
async function predictAt(at: string, values: readonly number[]): Promise<string> {
  const data = values.flatMap((value) => [value, 1]);
  const inputs = [{ name: "x", shape: [values.length, 2], datatype: "FP32", data }];
  const response = await fetch(`${at}/v2/models/delays/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ inputs }),
  });
  const text = await response.text();
  return (
    (response.ok && response.headers.get("x-portolan-prediction-id")) ||
    `${response.status} ${text.slice(0, 300)}`
  );
}

async function startDevice(port: number): Promise<void> {
  output = "";
  const line = `--home ${join(folder, "device")} edge run ${join(folder, "press-7")} --port ${port} --log-budget ${budgetMiB}`;
  const child = spawn(process.execPath, [cliMain, ...line.split(" ")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(),
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += String(chunk)));
  device = child;
  await soon(async () => output.includes("stop with Ctrl-C") || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(output);
}

async function stopDevice(): Promise<void> {
  if (!device || device.exitCode !== null) return;
  const ended = once(device, "exit");
  device.kill("SIGTERM");
  await ended;
}

/** As clients do it: what a busy machine turns away is asked again, and for nothing else. */
async function answerOf(values: readonly number[]): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const said = await predictAt(url, values);
    if (said.startsWith("prd_")) return said;
    if (attempt === 5 || !/^(429|503) .*serving\.(overloaded|rate_limited)/.test(said)) throw new Error(said);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Since its gateway began. */
async function droppedPayloads(): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/^portolan_gateway_log_dropped_payloads (\S+)$/m.exec(page)?.[1] ?? 0);
}

/** The device's gateway dies with whatever it was at, and its supervisor starts it again. */
async function killGateway(): Promise<void> {
  const pids = (): number[] => [...output.matchAll(/"childPid":(\d+)/g)].map(([, pid]) => Number(pid));
  const pid = pids().at(-1) ?? 0;
  process.kill(pid, "SIGKILL");
  await soon(async () => pids().at(-1) !== pid);
  await soon(async () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}

function filesOf(part: string): { readonly name: string; readonly bytes: number }[] {
  return readdirSync(join(folder, "device"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes(part))
    .map(({ parentPath, name }) => ({
      name,
      bytes: statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0,
    }));
}
const logBytes = () => filesOf("/predictions").reduce((sum, { bytes }) => sum + bytes, 0);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "portolan-edge-days-"));
  writeFileSync(join(folder, "ahead"), "0");
  product = await startProduct(environment());
  await createDelays(done);
  const model = join(folder, "model.onnx");
  writeFileSync(model, logisticModel([1, 2], 0));
  await done(`--as ci model import ${model} --name delays --use-case delays --environment dev`);
  await done("endpoint deploy delays delays 1 --use-case delays --environment dev");
  key = await createShopKey(done);
  await soon(async () => (await predictAt(product.gatewayUrl, [0])).startsWith("prd_"));
}, 300_000);
afterAll(async () => {
  await stopDevice();
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Arrived {
  readonly id: string;
  readonly receivedAt: number;
}

/** The device's predictions that control has, the oldest first. */
async function arrived(since: number): Promise<Arrived[]> {
  const { out } = await done("predictions list --endpoint delays --limit 1000 --json");
  const { predictions } = JSON.parse(out) as {
    predictions: { header: Arrived & { status: { kind: string } } }[];
  };
  return predictions
    .filter(({ header }) => header.status.kind === "ok" && header.receivedAt >= since)
    .map(({ header: { id, receivedAt } }) => ({ id, receivedAt }))
    .toSorted((a, b) => a.receivedAt - b.receivedAt);
}

test(`a device that is away for ${days} days answers on each of them, keeps within its budget over segments and crashes, and delivers each record once, in order`, async () => {
  await done(
    `edge bundle ${join(folder, "press-7")} --name press-7 --environment dev --region DE --owner self --key-days 30`,
  );
  await product.cli("down");
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const leftAt = (performance.timeOrigin + performance.now()) * 1000;
  await startDevice(port);
  const noise = Array.from({ length: 20_000 }, Math.random);
  const answered: string[] = [];
  let dropped = 0;
  for (let day = 0; day < days; day++) {
    for (let n = 0; n < requestsADay; n++) {
      // One in four is small, the others hardly compress.
      const values = n % 4 === 0 ? [day] : noise.map((value) => value / (n + 1 + requestsADay * day));
      answered.push(await answerOf(values));
      await pass(dayMs / requestsADay);
      expect(logBytes()).toBeLessThanOrEqual(budgetMiB * 2 ** 20);
    }
    dropped += await droppedPayloads();
    if (day % 4 === 1) await killGateway();
    if (day % 4 === 3) {
      // Switched off for the night: the clock goes on without it.
      await stopDevice();
      await pass(dayMs / 4);
      await startDevice(port);
    }
  }
  const segments = filesOf("/predictions").filter(({ name }) => name.endsWith(".seg"));
  expect(segments.length, "kills and nights begin new ones").toBeGreaterThan(5);
  expect(dropped, "the last days' payloads found no room").toBeGreaterThan(0);
  await product.up();
  let before: string[] = [];
  await soon(async () => {
    const now = (await arrived(leftAt)).map(({ id }) => id);
    // What had come is the older part of what has: nothing comes before it later.
    expect(now.slice(0, before.length)).toEqual(before);
    before = now;
    return now.length >= answered.length;
  });
  const all = await arrived(leftAt);
  expect(all.map(({ id }) => id)).toEqual(answered);
  const spread = (all.at(-1)?.receivedAt ?? 0) - (all[0]?.receivedAt ?? 0);
  expect(spread / 1000 / dayMs).toBeGreaterThan(days - 0.5);
  expect((await done("audit verify")).code).toBe(0);
}, 400_000);
