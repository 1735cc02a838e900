import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalBytes, digestBytes, type JsonValue } from "@portolan/kernel";
import type { DriftDelivery, NumericColumn, ReferenceProfile } from "@portolan/monitoring/contract";
import { numericReference } from "@portolan/monitoring/policy";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlStandIn, until } from "./control-stand-in.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let control: ControlStandIn;
let installation: TestInstallation;
/** As control keeps them: once per number, whatever was sent how often. */
let taken: Map<string, DriftDelivery>;
let sent: number;
let mood: "takes" | "away" | "takes but does not say so";
beforeEach(async () => {
  installation = new TestInstallation();
  control = await ControlStandIn.start(installation.home);
  taken = new Map();
  sent = 0;
  mood = "takes";
  control.also = (request, response) => {
    if (request.url !== "/v1/drift-counts") return false;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      sent++;
      if (mood === "away") return void response.writeHead(503).end();
      const delivery = JSON.parse(Buffer.concat(chunks).toString()) as DriftDelivery;
      const name = `${delivery.writer} ${delivery.epoch} ${delivery.sequence}`;
      const known = taken.get(name);
      if (known) expect(delivery, "what is sent again is what was sent before").toEqual(known);
      taken.set(name, delivery);
      if (mood === "takes but does not say so") response.destroy();
      else response.end(JSON.stringify({ kind: "accepted" }));
    });
    return true;
  };
});
afterEach(async () => {
  installation.dispose();
  await control.close();
});

const reference = Array.from({ length: 200 }, (_, at) => Math.fround(Math.sin(at * 1.7) * 3));
const column = (index: number): NumericColumn =>
  numericReference(
    { tensor: "x", column: index, name: `x.${index}` },
    reference.map((value) => value * (index + 1)),
  );
const profile = (): ReferenceProfile => ({
  format: 1,
  model: { name: "score", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"ab".repeat(32)}`, rows: 200, sampledEvery: 1 },
  rows: 200,
  inputs: [column(0), column(1)],
  outputs: [],
  skipped: [],
});

async function startCounting(): Promise<() => Promise<TestGateway>> {
  const bytes = canonicalBytes(profile() as unknown as JsonValue);
  const digest = digestBytes(bytes);
  mkdirSync(installation.home, { recursive: true });
  writeFileSync(installation.objectPath(digest), bytes);
  installation.add("score", logisticModel([0.5, -0.25], 0.1), {
    profiles: [{ model: "score", version: 1, digest, sizeBytes: bytes.length }],
  });
  await installation.publish(1);
  return () => installation.start({ CONTROL_URL: control.url, DRIFT_FLUSH_S: "1", DRIFT_LAG_MS: "0" });
}

let next = 0;
/** Requests of one to three rows with values within, beyond and exactly on the edges. */
async function ask(gateway: TestGateway, requests: number): Promise<number> {
  const counts = Array.from({ length: requests }, (_, i) => 1 + (i % 3));
  const bodies = counts.map((count) => {
    const data = Array.from({ length: count * 2 }, () => {
      const at = next++;
      return at % 4 === 0 ? (reference[at % 200] ?? 0) : Math.fround(Math.cos(at * 0.9) * 7);
    });
    return JSON.stringify({ inputs: [{ name: "x", shape: [count, 2], datatype: "FP32", data }] });
  });
  // All at once, so that they seldom fall into two deliveries.
  const statuses = await Promise.all(
    bodies.map(async (body) => (await gateway.post("/v2/models/score/infer", body)).status),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  return counts.reduce((sum, count) => sum + count, 0);
}

const deliveredRows = () =>
  [...taken.values()].flatMap(({ parts }) => parts).reduce((sum, { rows }) => sum + rows, 0);

/** The same, with what waits on disk behind a delivery that control does not acknowledge. */
function keptRows(): number {
  const folder = join(installation.home, "gateway/drift/gateway");
  const kept = new Map(taken);
  for (const file of readdirSync(folder).filter((one) => one.endsWith(".json"))) {
    const delivery = JSON.parse(readFileSync(join(folder, file), "utf8")) as DriftDelivery;
    kept.set(`${delivery.writer} ${delivery.epoch} ${delivery.sequence}`, delivery);
  }
  return [...kept.values()].flatMap(({ parts }) => parts).reduce((sum, { rows }) => sum + rows, 0);
}

/** All deliveries added up, cell by cell. */
function deliveredCounts(): number[] {
  const sum: number[] = [];
  for (const { counts } of [...taken.values()].flatMap(({ parts }) => parts))
    counts.forEach((count, cell) => (sum[cell] = (sum[cell] ?? 0) + count));
  return sum;
}

/** The same counts from the log's own words: each value compared with each bound. */
function recount(): number[] {
  const counts: number[] = [];
  let offset = 0;
  for (const { column: at, lowerBounds, maximum } of [column(0), column(1)]) {
    const cells = Array.from({ length: lowerBounds.length + 6 }, () => 0);
    for (const { header, payload } of installation.records()) {
      if (header.status.kind !== "ok") continue;
      const text = Buffer.from(payload?.inputs?.bytes ?? []).toString();
      const [{ data }] = (JSON.parse(text) as { inputs: [{ data: number[] }] }).inputs;
      for (let i = at; i < data.length; i += 2) {
        const value = data[i] ?? Number.NaN;
        const cell =
          value > (maximum ?? 0)
            ? lowerBounds.length + 1
            : lowerBounds.filter((bound) => bound <= value).length;
        cells[cell] = (cells[cell] ?? 0) + 1;
      }
    }
    cells.forEach((count, cell) => (counts[offset + cell] = count));
    offset += cells.length;
  }
  return counts;
}

async function waitingAt(gateway: TestGateway): Promise<number> {
  const page = await (await gateway.get("/metrics")).text();
  return Number(/portolan_gateway_drift_waiting_deliveries (\d+)/.exec(page)?.[1]);
}

test("counts are those of the logged requests to the row, through lost answers, control away, kill -9 and restart", async () => {
  const start = await startCounting();
  let gateway = await start();
  let rows = await ask(gateway, 60);
  await until(async () => deliveredRows() === rows);
  mood = "takes but does not say so";
  rows += await ask(gateway, 40);
  await until(async () => keptRows() === rows && sent > taken.size);
  mood = "away";
  await until(async () => (await waitingAt(gateway)) > 0);
  // What is on disk outlives the process; nothing else is in memory now.
  await gateway.end("SIGKILL");
  mood = "takes";
  gateway = await start();
  rows += await ask(gateway, 30);
  await gateway.end("SIGTERM");
  expect(deliveredRows()).toBe(rows);
  expect(deliveredCounts()).toEqual(recount());
  const epochs = new Set([...taken.values()].map(({ epoch }) => epoch));
  expect(epochs.size, "each start counts under a number of its own").toBe(2);
});

test("replays and what no model answered are not counted", async () => {
  const start = await startCounting();
  const gateway = await start();
  const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  const replayed = { "x-portolan-replay-of": `prd_${"0".repeat(26)}_0_0_0` };
  expect((await gateway.post("/v2/models/score/infer", body, replayed)).status).toBe(200);
  expect((await gateway.post("/v2/models/score/infer", "{}")).status).toBe(400);
  expect((await gateway.post("/v2/models/score/infer", body)).status).toBe(200);
  const claimed = { "x-portolan-replay-of": "yes" };
  expect((await gateway.post("/v2/models/score/infer", body, claimed)).status).toBe(200);
  await gateway.end("SIGTERM");
  const records = installation.records().filter(({ header }) => header.status.kind === "ok");
  expect(records.filter(({ header }) => header.replayOf === undefined)).toHaveLength(2);
  expect(deliveredRows(), "what the log holds for no replay is counted").toBe(2);
});

const droppedBy = async (gateway: TestGateway, reason: string): Promise<number> => {
  const page = await (await gateway.get("/metrics")).text();
  return Number(new RegExp(`drift_dropped_total\\{reason="${reason}"\\} (\\d+)`).exec(page)?.[1] ?? 0);
};

test("a disk that takes nothing loses no count while the gateway runs, and does not keep it from closing", async () => {
  const start = await startCounting();
  const gateway = await start();
  const folder = join(installation.home, "gateway/drift/gateway");
  rmSync(folder, { recursive: true });
  const rows = await ask(gateway, 20);
  await until(async () => gateway.output.includes("gateway.drift.not_written"));
  expect(deliveredRows()).toBe(0);
  mkdirSync(folder);
  await until(async () => deliveredRows() === rows);
  expect(await droppedBy(gateway, "disk")).toBe(0);
  rmSync(folder, { recursive: true });
  await ask(gateway, 20);
  await gateway.end("SIGTERM");
  // What is closed after the counts is closed all the same.
  await until(async () => gateway.output.includes("gateway.stopped"));
  expect(gateway.output).toContain('"reason":"disk"');
  expect(deliveredRows()).toBe(rows);
});
