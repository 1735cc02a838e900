import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { createAcceptedHistory, createRowsAccess, type DataDeps, offerWaiting } from "@portolan/data";
import type { AcceptedPlace } from "@portolan/data/contract";
import {
  type CallContext,
  createLogger,
  type EpochMicros,
  type JobHandler,
  type MigrationSet,
} from "@portolan/kernel";

import { openOnlineStore } from "@portolan/lmdb";
import { allowReading, type DataFixture, dataFixture, waitFor } from "../../data/test/data-fixture.ts";
import {
  EarlyEvents,
  type FeatureDeps,
  featuresMigrations,
  followDataset,
  followLogJob,
  materializeJob,
  publishView,
  readTrainingSet,
  startTrainingSet,
  trainingSetJob,
} from "../src/index.ts";
import type { OnlineVector, OnlineViewKey } from "../src/ports.ts";
import type { TrainingSetRequest, TrainingSetView } from "../src/resources.ts";

type FixtureDeps = DataDeps & FeatureDeps & { readonly early: EarlyEvents };

export interface FeaturesFixture extends Omit<DataFixture, "deps"> {
  readonly deps: FixtureDeps;
  /** Publishes the contract and the three views of the example, over one dataset each. */
  publishExample(): Promise<void>;
  trainingSet(request: TrainingSetRequest): Promise<TrainingSetView>;
}

export async function featuresFixture(
  migrations: readonly MigrationSet[] = [],
  more: (deps: FixtureDeps) => readonly JobHandler[] = () => [],
): Promise<FeaturesFixture> {
  const withOnline = (deps: DataDeps): FixtureDeps => {
    const online = openOnlineStore({ folder: join(deps.workFolder, "..", "online") });
    const access = createRowsAccess(deps);
    const log = createLogger({ name: "test", level: "silent" });
    const offer = (call: CallContext, place: AcceptedPlace) => offerWaiting({ ...deps, early }, call, place);
    const early = new EarlyEvents({ uow: deps.uow, clock: deps.clock, log, online, offer, access });
    return { ...deps, online, early, access, history: createAcceptedHistory(deps) };
  };
  let full: FixtureDeps | undefined;
  const f = await dataFixture(
    [featuresMigrations, ...migrations],
    (deps) => {
      full = withOnline(deps);
      return [trainingSetJob(full), materializeJob(full), followLogJob(full), ...more(full)];
    },
    followDataset,
  );
  if (!full) throw new Error("the worker asked for no handlers");
  const deps = full;
  return {
    ...f,
    deps,
    publishExample: async () => {
      await f.publishFlights();
      for (const name of ["origin-departures", "arrivals", "routes"]) {
        const url = new URL(`../../../examples/flight-delays/features/${name}.yaml`, import.meta.url);
        const document = overOneDataset(await readFile(url, "utf8"));
        await publishView(deps, f.call, name, { document });
      }
    },
    trainingSet: async (request) => {
      const { id } = await startTrainingSet(deps, f.call, request);
      return waitFor(
        () => readTrainingSet(deps, f.call, id),
        (found) => found.state === "ready" || found.state === "failed",
      );
    },
    close: async () => {
      await f.close();
      await deps.online.close();
    },
  };
}

/** A view of windows over its log, over one dataset: without what is computed on demand, which takes a log. */
function overOneDataset(document: string): string {
  return document
    .replace("events: log\n", "")
    .replace(/^request:\n(?: {2}- .*\n)+/m, "")
    .replace(/^.*onDemand:.*\n/gm, "");
}

/** What is online of one entity at a moment. */
export async function readOnline(
  { deps }: Pick<FeaturesFixture, "deps">,
  view: OnlineViewKey,
  key: readonly string[],
  at: EpochMicros,
): Promise<OnlineVector> {
  const [found] = await deps.online.read([{ view, key }], at);
  if (!found) throw new Error("the store gave no answer");
  return found;
}

/** Asks for every flight of the days [from, to) with the example's views. */
export function flightsRequest(from: number, to: number): TrainingSetRequest {
  return {
    name: "flights",
    environment: "dev",
    contract: "flights",
    from,
    to,
    sampleEvery: 1,
    views: [
      { view: "origin-departures", entity: { airport: "origin" } },
      { view: "arrivals", entity: { airport: "origin" } },
      { view: "routes", entity: { origin: "origin", destination: "destination" } },
    ],
    request: [
      { name: "hour", expression: "hour(departure_local)" },
      { name: "miles", expression: "distance" },
    ],
    label: { name: "late", expression: "delay > 15" },
  };
}

/** Without a policy no value of data is derived again for anybody; and with one that speaks of all contracts nothing goes online without another. */
export async function allowParity(f: Pick<FeaturesFixture, "deps" | "call">): Promise<void> {
  await allowReading(f, "parity");
  await allowReading(f, "serving");
}
