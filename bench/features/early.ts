import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { offerWaiting, publishContract, receiveEvents } from "@portolan/data";
import type { AcceptedPlace } from "@portolan/data/contract";
import { EarlyEvents, publishView, startMaterialization } from "@portolan/features";
import type { EarlyValues } from "@portolan/features/contract";
import { asEpochMicros, type CallContext, createLogger } from "@portolan/kernel";
import { openOnlineWriter } from "@portolan/lmdb";
import { quantile } from "@portolan/numerics";
import { waitFor } from "../../packages/data/test/data-fixture.ts";
import { readMaterialization } from "../../packages/features/src/materializations.ts";
import { featuresFixture } from "../../packages/features/test/features-fixture.ts";
import { requireService, startPostgres } from "../../tools/services.ts";
import { mibOf, peakOf } from "../peak-memory.ts";

/**
 * Accepted events at a fixed rate, from the moment at which their request is due until every reader sees it: judged under its contract, in a real PostgreSQL with the ledger's
 * row, and in the embedded store by the writer's process. Without the HTTP framework; batches do not come while it runs.
 *
 * Usage: node bench/features/early.ts [events per second] [seconds] [events per request] [values|windows]
 */
const [rate = 10_000, seconds = 10, perRequest = 100] = process.argv.slice(2, 5).map(Number);
const kind = process.argv[5] ?? "values";
const entities = 20_000;
/** Events before the measured ones: engines still compile, and pages are still empty. */
const warmUp = rate * 5;

const contract = `apiVersion: v3.1.0
kind: DataContract
id: readings
name: readings
version: 1.0.0
status: active
description: { purpose: bench }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: readings
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: id, logicalType: string, primaryKey: true, required: true }
      - { name: station, logicalType: string, required: true }
      - { name: at, logicalType: timestamp }
      - { name: value, logicalType: integer, logicalTypeOptions: { minimum: 0 } }
`;
const features =
  kind === "windows"
    ? "events: log\nfeatures: [{ name: total, aggregate: sum, of: value, window: 1h }, { name: n, aggregate: count, window: 24h }]"
    : "features: [{ name: value, value: value }]";
const view = `apiVersion: portolan/v1
kind: FeatureView
name: stations
source: readings
entity: [station]
eventTime: at
ttl: 30d
online: accepted
${features}
`;

/** When the request of an event is due: its last event is there. */
const dueMs = (index: number): number => ((Math.floor(index / perRequest) + 1) * perRequest * 1000) / rate;
const line = (index: number, now: number): string =>
  JSON.stringify({
    id: `i${index}`,
    station: `s${index % entities}`,
    at: new Date(now).toISOString(),
    value: index,
  });

function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? "?"}, load ${loadavg()[0]?.toFixed(1) ?? "?"}, Node ${process.version}`;
}

await using postgres = await startPostgres((await requireService("postgresql")) ?? "postgres");
process.env["PORTOLAN_TEST_DATABASE_URL"] = `postgresql://portolan@127.0.0.1:${postgres.port}/postgres`;
const f = await featuresFixture();
await publishContract(f.deps, f.call, "readings", { document: contract, references: {} });
await publishView(f.deps, f.call, "stations", { document: view });
const nowMs = () => f.deps.clock.now() / 1000;
await f.ingest("first.jsonl", `${line(0, nowMs() - 60_000)}\n`, { contract: "readings" });
const asOf = asEpochMicros(f.deps.clock.now());
const { id } = await startMaterialization(f.deps, f.call, "stations", { environment: "dev", asOf });
await waitFor(
  () => readMaterialization(f.deps, f.call, id),
  ({ state }) => state === "done" || state === "failed",
);

const writer = openOnlineWriter({ folder: join(f.deps.workFolder, "..", "online") });
const latencies: number[] = [];
let first = 0;
const { early: taker } = writer;
if (!taker) throw new Error("the store has no early values");
const noted: EarlyValues = {
  ...taker,
  accept: async (header, log, lines) => {
    await taker.accept(header, log, lines);
    const now = performance.now() - first;
    for (const { values } of lines)
      if (Number(values[0]) >= warmUp) latencies.push(now - dueMs(Number(values[0])));
  },
};
const offer = (call: CallContext, place: AcceptedPlace) => offerWaiting(deps, call, place);
const log = createLogger({ name: "bench", level: "warn" });
const online = { ...writer, early: noted };
const early = new EarlyEvents({
  uow: f.deps.uow,
  clock: f.deps.clock,
  log,
  online,
  offer,
  access: f.deps.access,
});
const deps = { ...f.deps, early, eventWindowMs: 600_000 };
await early.look();
console.log(`${machine()}; ${kind}, ${rate} events/s in requests of ${perRequest}, ${entities} entities`);
/** As an application sends them: a few at once. */
const atOnce = 16;
const requests = new Set<Promise<unknown>>();
first = performance.now();
for (let sent = 0; sent < warmUp + rate * seconds; sent += perRequest) {
  const leftMs = dueMs(sent) - (performance.now() - first);
  if (leftMs > 1) await delay(leftMs);
  const body = Array.from({ length: perRequest }, (_, index) => line(sent + index, nowMs())).join("\n");
  if (requests.size >= atOnce) await Promise.race(requests);
  const request = receiveEvents(deps, f.call, "readings", { environment: "dev", body });
  requests.add(request);
  void request.then(() => requests.delete(request));
}
await Promise.all(requests);
await early.idle();
const took = (performance.now() - first) / 1000;
const sorted = Float64Array.from(latencies).toSorted();
const part = (share: number): string => `${quantile(sorted, share).toFixed(1)} ms`;
console.log(
  `${latencies.length + warmUp} events readable after ${took.toFixed(1)} s, ${Math.round((latencies.length + warmUp) / took)}/s; after five seconds, due to readable p50 ${part(0.5)}, p99 ${part(0.99)}, most ${part(1)}`,
);
console.log(`this process at most, door, writer and client in one: ${mibOf(peakOf(process.pid))} resident`);
console.log(machine());
await writer.close();
await f.close();
