import { offerWaiting, publishContract, receiveEvents } from "@portolan/data";
import { asEpochMicros, createLogger, type EpochMicros } from "@portolan/kernel";
import { sql as text } from "kysely";
import { waitFor } from "../../data/test/data-fixture.ts";
import { type EarlyDeps, EarlyEvents } from "../src/early/early-events.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { onlineHeader } from "../src/online-header.ts";
import type { OnlineViewHeader } from "../src/ports.ts";
import { findView } from "../src/store.ts";
import { publishView } from "../src/views.ts";
import { type FeaturesFixture, featuresFixture, readOnline } from "./features-fixture.ts";

/** Two views, `airports` of windows and `delays` of values, whose accepted events count online at once, and the door that these come through. */

const contract = `apiVersion: v3.1.0
kind: DataContract
id: departures
name: departures
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: departures
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.5 }]
    properties:
      - { name: flight, logicalType: string, primaryKey: true, required: true }
      - { name: airport, logicalType: string }
      - { name: at, logicalType: timestamp }
      - { name: known, logicalType: timestamp }
      - { name: delay, logicalType: integer }
      - { name: op, logicalType: string }
`;

const viewOf = (name: string, entity: string, rest: string): string => `apiVersion: portolan/v1
kind: FeatureView
name: ${name}
source: departures
entity: [${entity}]
eventTime: at
available: known
tombstone: op = 'D'
ttl: 30d
online: accepted
${rest}`;
const windows = `events: log
features:
  - { name: flights_1h, aggregate: count, window: 1h }
  - { name: worst_1h, aggregate: max, of: delay, window: 1h }
`;
const values = "features: [{ name: delay, value: delay }]\n";

export interface Departure {
  readonly flight: string | null;
  readonly airport: string;
  /** Minutes after the first of January. */
  readonly at: number;
  readonly known?: number;
  readonly delay?: number;
  readonly op?: string;
}

export const minute = (minutes: number) => asEpochMicros(1_767_225_600_000_000 + minutes * 60_000_000);
const instant = (minutes: number) => new Date(minute(minutes) / 1000).toISOString();
/** As JSON lines have it. */
export const line = ({ at, known = at, op = "U", ...more }: Departure): string =>
  `${JSON.stringify({ ...more, at: instant(at), known: instant(known), op })}\n`;

/** A gate lets through a batch of which half is bad, and no more. */
export const bad: Departure = { flight: null, airport: "a", at: 8 };

export interface EarlyDoor {
  readonly f: FeaturesFixture;
  readonly headerOf: (view: "airports" | "delays") => Promise<OnlineViewHeader>;
  /** What is online of an airport, minutes after the first of January: how many flights, the worst delay, the delay. */
  readonly found: (at: number, airport?: string) => Promise<unknown[]>;
  /** Resolves once the events count. @param early who takes them; the fixture's where it is absent, nobody where it is null */
  readonly post: (departures: readonly Departure[], early?: EarlyEvents | null) => Promise<void>;
  /** How many events are early. */
  readonly waiting: () => Promise<number>;
  /** Until nothing is early any more. */
  readonly settled: () => Promise<void>;
  /** How many batches of events have come to an end. */
  readonly ended: () => Promise<number>;
  /** As another process would hold it, over the same store. @param Made another class than the one of the sources where a fault is in it */
  readonly anotherEarly: (more?: Partial<EarlyDeps>, Made?: typeof EarlyEvents) => EarlyEvents;
}

export async function openDoor(): Promise<EarlyDoor> {
  const f = await featuresFixture();
  await publishBoth(f);
  return doorOf(f);
}

async function publishBoth(f: FeaturesFixture): Promise<void> {
  await publishContract(f.deps, f.call, "departures", { document: contract, references: {} });
  await publishView(f.deps, f.call, "airports", { document: viewOf("airports", "airport", windows) });
  await publishView(f.deps, f.call, "delays", { document: viewOf("delays", "airport", values) });
  const first = line({ flight: "x1", airport: "a", at: 0, delay: 5 });
  const ingestion = await f.ingest("first.jsonl", first, { contract: "departures" });
  if (ingestion.state !== "published") throw new Error(`it is ${ingestion.state}`);
  const online = ["airports", "delays"].map(async (name) => {
    const started = await startMaterialization(f.deps, f.call, name, { environment: "dev", asOf: minute(1) });
    const done = await waitFor(
      () => readMaterialization(f.deps, f.call, started.id),
      ({ state }) => state === "done" || state === "failed",
    );
    if (done.failure) throw new Error(JSON.stringify(done.failure));
  });
  await Promise.all(online);
  await f.deps.early.look();
}

function doorOf(f: FeaturesFixture): EarlyDoor {
  const headerOf = async (name: string): Promise<OnlineViewHeader> => {
    const { organisationId } = f.call.actor;
    const stored = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, name));
    if (!stored) throw new Error("it is not published");
    return onlineHeader({ organisationId, environment: "dev", view: stored.body });
  };
  const waiting = async (): Promise<number> =>
    (await f.deps.online.early?.waiting(await headerOf("airports")))?.length ?? 0;
  const look = async (): Promise<number> => {
    await f.deps.early.look();
    return waiting();
  };
  return {
    f,
    headerOf,
    waiting,
    found: async (at, airport = "a") => {
      const moment: EpochMicros = minute(at);
      const windowed = (await readOnline(f, await headerOf("airports"), [airport], moment)).values;
      const stated = (await readOnline(f, await headerOf("delays"), [airport], moment)).values;
      return [windowed["flights_1h"]?.value, windowed["worst_1h"]?.value, stated["delay"]?.value];
    },
    post: async (departures, early = f.deps.early) => {
      const { early: _, ...unaware } = f.deps;
      const body = departures.map(line).join("");
      const taking = early ? { ...unaware, early } : unaware;
      await receiveEvents(taking, f.call, "departures", { environment: "dev", body });
      await early?.idle();
    },
    settled: async () => {
      await waitFor(look, (left) => left === 0);
    },
    ended: () => endedBatches(f),
    anotherEarly: (more = {}, Made = EarlyEvents) => {
      const { uow, clock, online, access } = f.deps;
      const log = createLogger({ name: "test", level: "silent" });
      const offer: EarlyDeps["offer"] = (call, place) =>
        offerWaiting({ ...f.deps, early: other }, call, place);
      const other: EarlyEvents = new Made({ uow, clock, log, online, offer, access, ...more });
      return other;
    },
  };
}

async function endedBatches(f: FeaturesFixture): Promise<number> {
  const found = await f.deps.uow.read(f.call, (sql) =>
    text<{
      n: unknown;
    }>`select count(*) as n from data.event_batches_v1 where finished_at is not null`.execute(
      sql.withTables<Record<never, never>>(),
    ),
  );
  return Number(found.rows[0]?.n);
}
