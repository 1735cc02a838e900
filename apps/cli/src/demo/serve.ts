import { setTimeout as delay } from "node:timers/promises";
import {
  addMicros,
  asEpochMicros,
  type EpochMicros,
  formatInstant,
  isPortolanError,
  microsPerSecond,
  PortolanError,
  parseInstant,
  systemClock,
} from "@portolan/kernel";
import { quantile, rocAuc } from "@portolan/numerics";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { check, ended, until } from "./narrator.ts";
import { type Flight, flightsBetween, ingest, landedFile } from "./source.ts";
import { count, endpointName, modelName, type TrainingSet, type World } from "./world.ts";

export const purpose = "staff-planning";
/** Served values are derived again from whole rows, which are read for nothing else: without a policy nobody reads any. */
const replayPolicy = `kind: AccessPolicy
name: demo-replay
effect: allow
purposes: [${purpose}]
contracts: [flights]
`;

/** The endpoint: the promoted version behind the charter's limits, its features read in the gateway. */
export async function deployStep(world: World): Promise<string[]> {
  const { lee, dispatch } = world.cast.as;
  const set = world.heldOut;
  await lee.json({
    method: "PUT",
    path: `/v1/endpoints/${endpointName}`,
    body: {
      environment: "production",
      useCaseId: world.cast.useCaseId,
      model: modelName,
      version: world.version,
      features: featurePlan(set),
    },
  });
  const startedAt = performance.now();
  await until(async () => {
    const response = await fetch(
      `${world.state.gatewayUrl}/v2/models/${endpointName}/versions/${world.version ?? 0}/ready`,
      {
        headers: {
          authorization: `Bearer ${await dispatch.token()}`,
          "x-portolan-environment": "production",
        },
      },
    );
    return response.ok;
  }, "the gateway did not take the new route");
  const refused = await fetch(`${world.state.gatewayUrl}/v2/models/${endpointName}/infer`, {
    method: "POST",
    body: "{}",
  });
  check(refused.status === 401, `a caller without credential got ${refused.status}, not 401`);
  return [
    `live ${Math.round(performance.now() - startedAt)} ms after the deployment, through a signed snapshot`,
    "a caller without a credential is refused (401)",
  ];
}

/** Which view holds a feature follows from the names in the folder's feature views. */
function featurePlan(set: TrainingSet | undefined) {
  const keys: Readonly<Record<string, readonly string[]>> = {
    "origin-departures": ["origin"],
    arrivals: ["origin"],
    routes: ["origin", "destination"],
  };
  const viewOf = (feature: string) =>
    feature.startsWith("origin_")
      ? "origin-departures"
      : feature.startsWith("inbound_")
        ? "arrivals"
        : feature.startsWith("route_")
          ? "routes"
          : undefined;
  const named = (name: string) => set?.views.find(({ view }) => view.split("@")[0] === name)?.view ?? name;
  return {
    service: "flight-delays",
    entityKeys: ["origin", "destination"],
    eventTime: "request",
    maxAgeMs: 6 * 3_600_000,
    views: (set?.views ?? []).map(({ view, digest }) => ({
      name: view,
      digest,
      entityKeys: keys[view.split("@")[0] ?? ""] ?? [],
    })),
    columns: (set?.features ?? []).map((feature, index) => {
      const view = viewOf(feature);
      return {
        input: "features",
        index,
        from:
          view === undefined
            ? { kind: "request", name: feature }
            : { kind: "feature", view: named(view), feature },
        missing: view === undefined ? null : "NaN",
      };
    }),
  };
}

interface Served {
  readonly flight: Flight;
  readonly id: string;
  readonly score: number;
  readonly millis: number;
}

/**
 * Moments of the first day that lands while the demo runs; the flights of the next minutes are replayed at each. Online values only move
 * forward, so a demo that is run again replays the first day that was not replayed yet.
 */
const firstDay = ["2001-04-10T15:00:00Z", "2001-04-10T21:00:00Z"].map(parseInstant);
const microsPerDay = 86_400 * microsPerSecond;
const newerOnline = "features.newer_values_online";
/** To the end of June, where the data ends. */
const replayableDays = 80;
const replayMinutes = 30;
const connections = 4;

/** Days to come as live traffic: features of what has landed by then, predictions at departure, outcomes after the flight. */
export async function replayStep(world: World): Promise<string[]> {
  const admin = await connect(world.context, "admin");
  await admin.json({
    method: "PUT",
    path: "/v1/access-policies/demo-replay",
    body: { document: replayPolicy },
  });
  const served: Served[] = [];
  world.replayedFrom = systemClock.now();
  const moments = await nextDay(world);
  let landed = 0;
  for (const [index, moment] of moments.entries()) {
    landed += await land(world, moments[index - 1] ?? asEpochMicros(0), moment);
    const end = addMicros(moment, replayMinutes * 60 * microsPerSecond);
    served.push(...(await replay(world, await flightsBetween(world, moment, end))));
  }
  const stored = await reportOutcomes(world, served);
  const latencies = Float64Array.from(served, (one) => one.millis).toSorted();
  const [p50 = 0, p95 = 0, p99 = 0] = [0.5, 0.95, 0.99].map((p) => quantile(latencies, p));
  const live = rocAuc({
    scores: Float64Array.from(served, (one) => one.score),
    labels: Uint8Array.from(served, (one) => Number(one.flight.late)),
  });
  Object.assign(world.summary, { served: served.length, latencyMs: { p50, p95, p99 } });
  return [
    `${count(served.length)} predictions at ${connections} connections: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${judged(p99)}`,
    `${count(landed)} flights landed meanwhile and went into the feature logs as late events`,
    `${count(stored)} outcomes followed; AUC on this traffic ${live.auc.toFixed(3)}`,
  ];
}

/** The charter's bound on p99, in milliseconds. What else a machine does is no fault of the road: it is said, not failed. */
const p99BoundMs = 120;

function judged(p99: number): string {
  return p99 <= p99BoundMs ? "" : ` (over the charter's ${p99BoundMs} ms: what else does this machine do?)`;
}

/** The moments of the first day whose values can go online; one view tells for all. */
async function nextDay(world: World): Promise<EpochMicros[]> {
  for (let day = 0; day < replayableDays; day++) {
    const moments = firstDay.map((moment) => addMicros(moment, day * microsPerDay));
    const [first] = moments;
    if (first === undefined) break;
    try {
      const [probe = ""] = viewNames(world);
      await materializeView(world, probe, { asOf: first, datasetId: world.datasetId });
      return moments;
    } catch (error) {
      if (!isPortolanError(error) || error.code !== newerOnline) throw error;
    }
  }
  throw new PortolanError<CliErrorCode>("cli.check_failed", {
    detail: "every day of the data was replayed already",
    mend: "Start anew in an empty state folder.",
  });
}

/** What has become known since goes into the feature logs, and online as of the moment. */
async function land(world: World, after: EpochMicros, moment: EpochMicros): Promise<number> {
  const { datasetId, counts } = await ingest(world, [
    { object: await landedFile(world, after, moment), format: "parquet" },
  ]);
  await materialize(world, moment, datasetId);
  return counts?.accepted ?? 0;
}

/** All views at once: each has a log of its own. */
async function materialize(world: World, asOf: EpochMicros, datasetId: string): Promise<void> {
  await Promise.all(viewNames(world).map((name) => materializeView(world, name, { asOf, datasetId })));
}

function viewNames({ heldOut }: World): string[] {
  return (heldOut?.views ?? []).map(({ view }) => view.split("@")[0] ?? view);
}

async function materializeView(
  { cast }: World,
  name: string,
  of: { readonly asOf: EpochMicros; readonly datasetId: string | undefined },
): Promise<void> {
  const { mara } = cast.as;
  const started = await mara.json<{ id: string }>({
    path: `/v1/feature-views/${name}/materializations`,
    body: { environment: "production", ...of },
  });
  const { state, failure = "" } = await ended(
    () =>
      mara.json<{ readonly state: string; readonly failure?: string }>({
        path: `/v1/materializations/${started.id}`,
      }),
    ["done", "failed", "cancelled"],
  );
  check(state === "done", `materialising ${name} ended as ${state}: ${failure}`);
}

/** Below the charter's ceiling of 500 requests a second, which the gateway holds. */
const pacePerSecond = 250;

async function replay(world: World, flights: readonly Flight[]): Promise<Served[]> {
  check(flights.length > 0, "the data set holds no flights at the replayed moment");
  const served: Served[] = [];
  const startedAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < flights.length; index = next++) {
      const flight = flights[index];
      const due = startedAt + (index * 1000) / pacePerSecond;
      await delay(Math.max(0, due - performance.now()));
      if (flight) served.push(await predict(world, flight));
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return served;
}

async function predict(world: World, flight: Flight): Promise<Served> {
  const column = (name: string, datatype: string, value: number | string) => ({
    name,
    datatype,
    shape: [1],
    data: [value],
  });
  const body = JSON.stringify({
    parameters: { event_time: formatInstant(flight.at) },
    inputs: [
      column("origin", "BYTES", flight.origin),
      column("destination", "BYTES", flight.destination),
      column("minute_of_day", "FP32", flight.minuteOfDay),
      column("day_of_week", "FP32", flight.dayOfWeek),
      // As its kind of a request field says; the model takes it as its own.
      column("distance_miles", "FP64", flight.distance),
    ],
  });
  const token = await world.cast.as.dispatch.token();
  const startedAt = performance.now();
  const response = await fetch(`${world.state.gatewayUrl}/v2/models/${endpointName}/infer`, {
    method: "POST",
    body,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "x-portolan-environment": "production",
      "x-portolan-purpose": purpose,
    },
  });
  const text = await response.text();
  const millis = performance.now() - startedAt;
  check(response.ok, `a prediction was refused with ${response.status}: ${text.slice(0, 300)}`);
  const id = response.headers.get("x-portolan-prediction-id");
  check(id !== null, "an answer carries no prediction id");
  const outputs: readonly { name: string; data: readonly number[] }[] = JSON.parse(text).outputs;
  const score = outputs.find((output) => output.name === "probabilities")?.data[1] ?? Number.NaN;
  return { flight, id: id ?? "", score, millis };
}

async function reportOutcomes(world: World, served: readonly Served[]): Promise<number> {
  let stored = 0;
  for (let start = 0; start < served.length; start += 500) {
    const outcomes = served.slice(start, start + 500).map(({ id, flight }) => ({
      predictionId: id,
      outcome: flight.late,
      // Known after half an hour on the ground and the way at 480 miles an hour: derived, as the feature views say.
      observedAt: formatInstant(
        addMicros(flight.at, 30 * 60 * microsPerSecond + flight.distance * 7_500_000),
      ),
    }));
    const report = await world.cast.as.dispatch.json<{ stored: number; duplicates: number }>({
      path: "/v1/outcomes",
      body: { outcomes },
    });
    stored += report.stored + report.duplicates;
  }
  check(stored === served.length, `${served.length - stored} outcomes were not taken`);
  world.lastPrediction = served.at(-1)?.id ?? "";
  return stored;
}
