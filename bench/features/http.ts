import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { asEpochMicros, systemClock } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { quantile } from "@portolan/numerics";
import { logisticModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { mibOf, peakOf } from "../peak-memory.ts";
import { pythonOf } from "../peers/servers.ts";
import { RawClient } from "../raw-client.ts";

/**
 * 50 features of 5 views over HTTP, of 1 and of 100 entities: the gateway's `POST /v1/features/online` (a credential, a grant, limits, ttl and status on; LMDB) beside
 * Feast's own feature server (no authentication; SQLite, which was its fastest store on one machine; one worker, no access log), and beside a bare server of
 * node:http that answers as many bytes without any work: what the client, the sockets and the waking of processes cost. Every value is a double of its own.
 * One connection each, kept alive, by a raw client (one of node:http costs more than a bare server does), one request after the other, so many in a row to each server
 * in turn: a server that answers now and then only is cold each time. Needs Python 3 and, for the first run, a package index.
 *
 * Usage: node bench/features/http.ts [entities] [rounds] [requests in a row]
 */
const [entities = 10_000, rounds = 50, inARow = 20] = process.argv.slice(2, 5).map(Number);
const [views, features] = [5, 10];
const warmUpRounds = 5;
const feastPort = 47_315;

interface Target {
  readonly name: string;
  readonly port: number;
  /** By the bytes of the gateway's answer. */
  readonly path: (bytes: number) => string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: (keys: readonly string[]) => string;
  readonly pid: number;
  /** How many values an answer has; undefined where it has none. */
  readonly count: (answer: string) => number | undefined;
}

async function startOurs(installation: TestInstallation): Promise<Target> {
  const digest = `sha256:${"0".repeat(64)}`;
  const names = Array.from({ length: views }, (_, view) => `v${view}@1`);
  const columns = names.flatMap((view, at) =>
    Array.from({ length: features }, (_, index) => ({
      input: "x",
      index: at * features + index,
      from: { kind: "feature" as const, view, feature: `v${at}_f${index}` },
      missing: 0,
    })),
  );
  const plan = {
    service: "bench",
    entityKeys: ["entity_id"],
    views: names.map((name) => ({ name, digest, entityKeys: ["entity_id"] })),
    columns,
    maxAgeMs: null,
  };
  const model = logisticModel(
    columns.map(() => 0.1),
    0,
  );
  installation.add("bench", model, { features: plan });
  installation.grantReading("bench");
  await installation.publish(1);
  const store = openOnlineStore({ folder: join(installation.home, "features/online") });
  const asOf = asEpochMicros(systemClock.now() - 60_000_000);
  for (const [view, name] of names.entries()) {
    const featureNames = Array.from({ length: features }, (_, index) => `v${view}_f${index}`);
    const place = { organisationId: installation.organisationId, environment: "dev", view: name, digest };
    const rows = Array.from({ length: entities }, (_, entity) => ({
      key: [`e${entity}`],
      values: featureNames.map((_, index) => (entity * features + index) / 7),
    }));
    await store.replace({ ...place, ttlMicros: 3_600_000_000, featureNames }, asOf, rows);
  }
  await store.close();
  const gateway = await installation.start();
  return {
    name: "portolan",
    port: Number(new URL(gateway.url).port),
    path: () => "/v1/features/online",
    headers: { authorization: `Bearer ${installation.apiKey}`, "x-portolan-purpose": "care" },
    body: (keys) => JSON.stringify({ endpoint: "bench", entities: { entity_id: keys } }),
    pid: gateway.child.pid ?? 0,
    count: (answer) => answer.split('"present"').length - 1,
  };
}

async function startFeast(folder: string): Promise<Target & { end(): void }> {
  const script = fileURLToPath(new URL("./feast_server.py", import.meta.url));
  const args = [script, folder, views, features, entities, feastPort].map(String);
  const child = spawn(await pythonOf("feast"), args, {
    cwd: folder,
    env: { ...process.env, FEAST_USAGE: "False" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const target = {
    name: "feast",
    port: feastPort,
    path: () => "/get-online-features",
    headers: {},
    body: (keys: readonly string[]) =>
      JSON.stringify({ feature_service: "bench", entities: { entity_id: keys } }),
    pid: child.pid ?? 0,
    // The entity's own column has statuses, too.
    count: (answer: string) =>
      ((answer.split('"PRESENT"').length - 1) / (views * features + 1)) * views * features,
    end: () => child.stdin.end(),
  };
  for (let tries = 0; tries < 1200 && child.exitCode === null; tries++) {
    const answer = await askOnce(target, ["e1"]).catch(() => "");
    if (target.count(answer) === views * features) return target;
    await delay(500);
  }
  throw new Error("feast does not serve");
}

async function startBare(): Promise<Target & { end(): void }> {
  const script = fileURLToPath(new URL("./bare-server.ts", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    name: "bare node:http",
    port: Number(line.toString()),
    path: (bytes) => `/${bytes}`,
    headers: {},
    body: (keys) => JSON.stringify({ endpoint: "bench", entities: { entity_id: keys } }),
    pid: child.pid ?? 0,
    count: () => undefined,
    end: () => child.stdin.end(),
  };
}

async function askOnce(target: Target, keys: readonly string[]): Promise<string> {
  const client = await RawClient.open(target.port);
  try {
    return await ask(client, target, keys);
  } finally {
    client.close();
  }
}

async function ask(
  client: RawClient,
  { path, headers, body }: Target,
  keys: readonly string[],
  bytes = 0,
): Promise<string> {
  const { status, text } = await client.post(path(bytes), body(keys), headers);
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
  return text;
}

/** One after the other. @returns what each took, in milliseconds */
async function inTurn(target: Target, client: RawClient, batch: number, bytes: number): Promise<number[]> {
  const took: number[] = [];
  for (let sent = 0; sent < inARow; sent++) {
    const keys = Array.from({ length: batch }, () => `e${Math.floor(Math.random() * entities)}`);
    const start = performance.now();
    const answer = await ask(client, target, keys, bytes);
    took.push(performance.now() - start);
    const values = target.count(answer) ?? batch * views * features;
    if (values !== batch * views * features) throw new Error(`${target.name} answered ${values} values`);
  }
  return took;
}

/** @param targets ours first */
async function measure(targets: readonly [Target, ...Target[]], batch: number): Promise<void> {
  const times = new Map<string, number[]>(targets.map(({ name }) => [name, []]));
  const clients = new Map<string, RawClient>();
  const keys = Array.from({ length: batch }, (_, entity) => `e${entity}`);
  const bytes = Buffer.byteLength(await askOnce(targets[0], keys));
  for (let round = 0; round < rounds + warmUpRounds; round++)
    for (const target of targets) {
      const kept = clients.get(target.name);
      const client = kept?.isOpen === true ? kept : await RawClient.open(target.port);
      clients.set(target.name, client);
      const took = await inTurn(target, client, batch, bytes);
      if (round >= warmUpRounds) times.get(target.name)?.push(...took);
    }
  for (const client of clients.values()) client.close();
  const [ours, theirs] = targets.map(({ name }) => {
    const sorted = Float64Array.from(times.get(name) ?? []).toSorted();
    const [p50 = 0, p99 = 0] = [0.5, 0.99].map((p) => quantile(sorted, p));
    console.log(`${name}, ${batch} entities: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
    return { p50, p99 };
  });
  if (!ours || !theirs) return;
  const [middle, late] = [theirs.p50 / ours.p50, theirs.p99 / ours.p99].map((ratio) => ratio.toFixed(1));
  console.log(`feast beside portolan, ${batch} entities: p50 ${middle} x, p99 ${late} x`);
}

function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? "?"}, load ${loadavg()[0]?.toFixed(1) ?? "?"}, Node ${process.version}`;
}

const folder = mkdtempSync(join(tmpdir(), "bench-features-http-"));
const installation = new TestInstallation();
try {
  const ours = await startOurs(installation);
  const feast = await startFeast(folder);
  const bare = await startBare();
  console.log(`${machine()}; ${entities} entities, ${rounds} rounds of ${inARow} requests`);
  await measure([ours, feast, bare], 1);
  await measure([ours, feast, bare], 100);
  const memory = [ours, feast, bare].map(({ name, pid }) => `${name} ${mibOf(peakOf(pid))}`);
  console.log(`memory at most, resident: ${memory.join(", ")}`);
  console.log(machine());
  feast.end();
  bare.end();
} finally {
  installation.dispose();
  rmSync(folder, { recursive: true, force: true });
}
