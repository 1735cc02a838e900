import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { createDelays, createShopKey, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { cliMain, type Product, runPortolan, startProduct } from "../../apps/cli/test/product.ts";

let product: Product;
let folder: string;
let bundle: string;
let key: string;
let device: Device | undefined;

const done = doneBy(() => product);

async function predictAt(url: string, ...values: readonly number[]): Promise<number> {
  const data = values.flatMap((value) => [value, 1]);
  const tensor = { name: "x", shape: [values.length, 2], datatype: "FP32", data };
  const response = await fetch(`${url}/v2/models/delays/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ inputs: [tensor] }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** The least that a device's log may be bounded to. */
const budgetMiB = 32;

/** `portolan edge run` over a state folder of its own. */
class Device {
  readonly home = join(folder, "device");
  readonly url: string;
  readonly #port: number;
  #child: ChildProcess | undefined;
  output = "";

  constructor(port: number) {
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const args = [
      "--home",
      this.home,
      "edge",
      "run",
      bundle,
      "--port",
      String(this.#port),
      "--log-budget",
      String(budgetMiB),
    ];
    const child = spawn(process.execPath, [cliMain, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += String(chunk)));
    this.#child = child;
    await soon(async () => this.output.includes("stop with Ctrl-C") || child.exitCode !== null);
    if (child.exitCode !== null) throw new Error(this.output);
  }

  gatewayPid(): number {
    return Number([...this.output.matchAll(/"childPid":(\d+)/g)].at(-1)?.[1]);
  }

  predict(...values: readonly number[]): Promise<number> {
    return predictAt(this.url, ...values);
  }

  /** Of the metrics page; 0 where it is not there. */
  async metric(name: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(page)?.[1] ?? 0);
  }

  /** Bytes that its prediction log takes on disk. */
  logBytes(): number {
    const entries = readdirSync(this.home, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.parentPath.includes("/predictions"))
      .reduce(
        (sum, { parentPath, name }) =>
          sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      );
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "portolan-edge-"));
  bundle = join(folder, "press-7");
  product = await startProduct();
  await createDelays(done);
  const model = join(folder, "model.onnx");
  writeFileSync(model, logisticModel([1, 2], 0));
  await done(`--as ci model import ${model} --name delays --use-case delays --environment dev`);
  await done("endpoint deploy delays delays 1 --use-case delays --environment dev");
  key = await createShopKey(done);
  // A bundle holds what is in force when it is made.
  await soon(async () => (await predictAt(product.gatewayUrl, 0)) === 200);
});
afterAll(async () => {
  await device?.stop();
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const bundleLine = (name: string, out: string): string =>
  `edge bundle ${out} --name ${name} --environment dev --region DE --owner self --json`;

interface Arrived {
  readonly header: {
    readonly id: string;
    readonly receivedAt: number;
    readonly status: { readonly kind: string };
  };
}

/** Predictions that control has, the oldest first. */
async function arrived(): Promise<Arrived[]> {
  const { out } = await done("predictions list --endpoint delays --limit 1000 --json");
  const { predictions } = JSON.parse(out) as { predictions: Arrived[] };
  return predictions
    .filter(({ header }) => header.status.kind === "ok")
    .toSorted((a, b) => a.header.receivedAt - b.header.receivedAt);
}

/**
 * Asks with numbers that hardly compress, some 400 kB of them a request, until payloads find no room, and a few times more.
 * @returns how many were answered
 */
async function fillLog(away: Device): Promise<number> {
  let answered = 0;
  const ask = async (values: readonly number[]): Promise<void> => {
    if ((await away.predict(...values)) === 200) answered++;
    expect(away.logBytes()).toBeLessThanOrEqual(budgetMiB * 2 ** 20);
  };
  const noise = Array.from({ length: 20_000 }, Math.random);
  for (let n = 0; (await away.metric("portolan_gateway_log_dropped_payloads")) === 0; n++) {
    expect(n).toBeLessThan(900);
    await ask(noise.map((value) => value / (n + 1)));
  }
  for (let n = 0; n < 20; n++) await ask([n]);
  return answered;
}

test("a device serves from its bundle while control is gone, survives kill -9, keeps within its disk budget, and delivers each record once, the oldest first", async () => {
  const made = JSON.parse((await done(bundleLine("press-7", bundle))).out) as {
    endpoints: string[];
    objects: string[];
  };
  expect(made.endpoints).toEqual(["delays"]);
  expect(statSync(join(bundle, "key")).mode & 0o077).toBe(0);
  await product.cli("down");

  device = new Device(await freePort());
  await device.start();
  for (let n = 0; n < 20; n++) expect(await device.predict(n / 10)).toBe(200);
  // Of a caller nobody knows: the record must be one that this device's key may deliver.
  expect((await fetch(`${device.url}/v2/models/delays/infer`, { method: "POST", body: "{}" })).status).toBe(
    401,
  );
  const before = device.gatewayPid();
  process.kill(before, "SIGKILL");
  await soon(async () => device?.gatewayPid() !== before);
  await soon(async () => (await device?.predict(5).catch(() => 0)) === 200);
  for (let n = 0; n < 20; n++) expect(await device.predict(n / 10)).toBe(200);

  const all = 1 + 41 + (await fillLog(device));

  await product.up();
  let delivered: string[] = [];
  await soon(async () => {
    const now = (await arrived()).map(({ header }) => header.id);
    // What had come is the older part of what has: nothing comes before it later.
    expect(now.slice(0, delivered.length)).toEqual(delivered);
    delivered = now;
    return now.length >= all;
  });
  // One was answered at home, before the bundle was made.
  expect(delivered).toHaveLength(all);
  expect(new Set(delivered).size).toBe(all);
  expect((await done("audit verify")).code).toBe(0);
  await device.stop();
}, 300_000);

test("a device that is revoked gets nothing any more, whatever keys it had; a forged snapshot takes no good one's place", async () => {
  const out = join(folder, "press-9");
  await done(bundleLine("press-9", out));
  const secret = readFileSync(join(out, "key"), "utf8").trim();
  const ask = (): Promise<number> =>
    fetch(`${product.controlUrl}/v1/whoami`, { headers: { authorization: `Bearer ${secret}` } }).then(
      ({ status }) => status,
    );
  expect(await ask()).toBe(200);
  await done("edge revoke press-9 --reason stolen");
  expect(await ask()).toBe(401);
  const snapshot = join(out, "snapshot.json");
  const { payload, ...rest } = JSON.parse(readFileSync(snapshot, "utf8")) as { payload: string };
  const forged = Buffer.from(payload, "base64").toString().replace('"version":', '"version":9');
  writeFileSync(snapshot, JSON.stringify({ ...rest, payload: Buffer.from(forged).toString("base64") }));
  const forgedRun = [
    "--home",
    join(folder, "forged"),
    "edge",
    "run",
    out,
    "--port",
    String(await freePort()),
  ];
  const { code, err } = await runPortolan(forgedRun);
  expect(code).toBe(1);
  expect(err).toContain("signature does not match");
  const state = join(folder, "forged/gateways/press-9");
  writeFileSync(join(state, "trust.json"), "{");
  const damaged = await runPortolan(forgedRun);
  expect(damaged.code).toBe(1);
  expect(damaged.err).toContain("trust.json is damaged");
  expect(readFileSync(join(state, "trust.json"), "utf8")).toBe("{");
});

test("a bundle with one changed byte serves nobody, and says which", async () => {
  const other = join(folder, "press-8");
  await done(bundleLine("press-8", other));
  const name = readdirSync(join(other, "objects"))[0] ?? "";
  const path = join(other, "objects", name);
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const port = String(await freePort());
  const { code, err } = await runPortolan([
    "--home",
    join(folder, "other"),
    "edge",
    "run",
    other,
    "--port",
    port,
  ]);
  expect(code).toBe(1);
  expect(err).toContain(name);
  expect(err).toContain("Copy it again");
});

test.each([
  ["an endpoint that is not there", "--endpoint nothing", "no endpoint"],
  ["an environment that is none", "--environment moon", "Give one of dev, staging, production"],
  ["a key for ever", "--key-days 4000", "from 1 to 365"],
])(
  "%s is refused before anything is written",
  async (_, options, said) => {
    const out = join(folder, "refused");
    const line = `edge bundle ${out} --name van --region DE --owner self --environment dev ${options}`;
    const { code, err } = await product.cli(...line.split(" "));
    expect(code).toBe(1);
    expect(err).toContain(said);
    expect(readdirSync(folder)).not.toContain("refused");
  },
  60_000,
);
