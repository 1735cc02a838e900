import { setTimeout as delay } from "node:timers/promises";
import { addMicros, asEpochMicros, type EpochMicros, microsPerSecond, systemClock } from "@portolan/kernel";
import { quantile, rocAuc } from "@portolan/numerics";
import type { Retraining, RetrainingList } from "@portolan/retraining/contract";
import type { Release } from "@portolan/rollout/contract";
import { connect } from "../context.ts";
import { land, nextDay } from "./landing.ts";
import { check, ended, until, waitLimitMs } from "./narrator.ts";
import { killControl, type Outage } from "./outage.ts";
import { type Flight, flightsBetween } from "./source.ts";
import { connections, purpose, replay, reportOutcomes, type Served } from "./traffic.ts";
import { count, endpointName, type World } from "./world.ts";

// The loop that closes by itself: what has come since is learned from, and what came out goes to callers step by step.

/**
 * How the endpoint's model is trained again. The first version learned from three weeks; six are there by now. The steps of the release are short, as
 * the demo's traffic is; slow is what the charter allows one answer in a hundred to be.
 */
const retrainingPolicy = {
  trainingDays: 42,
  // A demo may be run many times.
  mostRuns: 1000,
  release: {
    steps: [
      { kind: "canary", percent: 10, leastRequests: 20, leastSeconds: 1 },
      { kind: "canary", percent: 50, leastRequests: 300, leastSeconds: 1 },
    ],
    margin: { relative: 0.1, absolute: 0.05 },
    slowMs: 120,
  },
};

/** Sets, training, evaluation, comparison and gates follow each other unattended; two people let it go to callers. */
export async function retrainStep(world: World): Promise<string[]> {
  const { lee, rita, pipeline } = world.cast.as;
  await lee.json({
    method: "PUT",
    path: `/v1/endpoints/${endpointName}/retraining-policy`,
    body: { environment: "production", policy: retrainingPolicy },
  });
  await endInterrupted(world);
  const { id } = await pipeline.json<Retraining>({
    path: `/v1/endpoints/${endpointName}/retrainings`,
    body: { environment: "production", reason: "six weeks of flights are there, the champion knows three" },
  });
  const read = () => lee.json<Retraining>({ path: `/v1/retrainings/${id}` });
  const judged = await ended(read, ["waiting_for_approval", ...endsWithoutVersion]);
  check(judged.state === "waiting_for_approval", `it ended as ${judged.state}: ${judged.reasons.join("; ")}`);
  await lee.json({ path: `/v1/retrainings/${id}/approval`, body: {} });
  let now = judged;
  await until(async () => {
    now = await read();
    return now.made.releaseId !== undefined || !now.isOpen;
  }, "its release did not begin");
  const { releaseId = "", version = 0 } = now.made;
  check(releaseId !== "", `it ended as ${now.state}: ${now.reasons.join("; ")}`);
  for (const who of [lee, rita]) await who.json({ path: `/v1/releases/${releaseId}/approvals`, body: {} });
  Object.assign(world, { retrainingId: id, releaseId });
  const note = (state: string) => judged.moves.find((move) => move.state === state)?.note ?? "";
  return [
    note("training"),
    `version ${version}: ${note("staging")}`,
    "approved by lee for the use case; its release by lee and rita",
  ];
}

/** A demo that was cut off may have left one under way: this one begins its own. */
async function endInterrupted({ cast }: World): Promise<void> {
  const { lee } = cast.as;
  const path = `/v1/retrainings?endpoint=${endpointName}&environment=production`;
  const open = async () =>
    (await lee.json<RetrainingList>({ path })).retrainings.filter(({ isOpen }) => isOpen);
  for (const { id } of await open())
    await lee.json({ path: `/v1/retrainings/${id}/cancellation`, body: { reason: "the demo begins anew" } });
  await until(async () => (await open()).length === 0, "the retraining of an earlier demo does not end");
}

const endsWithoutVersion = ["nothing_to_do", "not_better", "refused_by_gates", "cancelled", "failed"];

/** Served values are derived again from whole rows, which are read for nothing else: without a policy nobody reads any. And with one, features go online by it. */
const replayPolicy = `kind: AccessPolicy
name: demo-replay
effect: allow
purposes: [${purpose}, serving]
contracts: [flights]
`;
/** Minutes of departures that are replayed at each moment of the day: enough for both steps of the release. */
const replayMinutes = [30, 60];
/** On a busy machine gateways take a step later, and more flights are needed until it is judged. */
const extraFlights = 400;
/** Counts arrive with the blocks of the prediction log, and the controller looks once a second. */
const controllerTurnMs = 2500;

/**
 * Days to come as live traffic: features of what has landed by then, predictions at departure, outcomes after the flight. The new version takes its
 * share beside the champion meanwhile; control is killed in the middle.
 */
export async function replayStep(world: World): Promise<string[]> {
  const admin = await connect(world.context, "admin");
  await admin.json({
    method: "PUT",
    path: "/v1/access-policies/demo-replay",
    body: { document: replayPolicy },
  });
  world.replayedFrom = systemClock.now();
  const { served, landed, outage } = await replayDay(world);
  const stored = await reportOutcomes(world, served);
  const release = await settled(world, served);
  world.version = release.candidate.version;
  const live = rocAuc({
    scores: Float64Array.from(served, (one) => one.score),
    labels: Uint8Array.from(served, (one) => Number(one.flight.late)),
  });
  const latencyMs = latencies(served);
  const meanwhile = served.filter(({ doneAt }) => doneAt >= outage.from && doneAt <= outage.to).length;
  Object.assign(world.summary, {
    served: served.length,
    retrained: { version: release.candidate.version },
    latencyMs,
    live: live.auc,
    answeredMeanwhile: meanwhile,
  });
  return [
    `${count(served.length)} predictions at ${connections} connections: p50 ${latencyMs.p50.toFixed(1)} ms, p95 ${latencyMs.p95.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms${judged(latencyMs.p99)}`,
    `control was killed (SIGKILL) in the middle: ${count(meanwhile)} of them were answered in the ${((outage.to - outage.from) / 1000).toFixed(1)} s until it was back, none was lost`,
    `${count(landed)} flights landed meanwhile and went into the feature logs as late events`,
    `${count(stored)} outcomes followed; AUC on this traffic ${live.auc.toFixed(3)}`,
    describeRelease(release),
  ];
}

interface Day {
  readonly served: Served[];
  readonly landed: number;
  readonly outage: Outage;
}

async function replayDay(world: World): Promise<Day> {
  const served: Served[] = [];
  const moments = await nextDay(world);
  let landed = 0;
  let outage: Outage = { from: 0, to: 0 };
  for (const [index, moment] of moments.entries()) {
    landed += await land(world, moments[index - 1] ?? asEpochMicros(0), moment);
    if (index === 0) await stepTaken(world);
    const traffic = replay(world, await departures(world, moment, replayMinutes[index] ?? 0));
    if (index === 0) outage = await killControl(world);
    served.push(...(await traffic));
    world.replayedTo = addMicros(moment, (replayMinutes[index] ?? 0) * 60 * microsPerSecond);
  }
  return { served, landed, outage };
}

function departures(world: World, from: EpochMicros, minutes: number): Promise<Flight[]> {
  return flightsBetween(world, from, addMicros(from, minutes * 60 * microsPerSecond));
}

function readRelease({ cast, releaseId = "" }: World): Promise<Release> {
  return cast.as.lee.json<Release>({ path: `/v1/releases/${releaseId}` });
}

/** Gateways answer by the first step: what is served from now on is its evidence. */
async function stepTaken(world: World): Promise<void> {
  await until(
    async () => (await readRelease(world)).stepSince !== null,
    "no gateway took the first step of the release",
  );
}

/** Replays the last departures again until the release is judged; a busy machine needs more of them. */
async function settled(world: World, served: Served[]): Promise<Release> {
  const flights = served.slice(-extraFlights).map(({ flight }) => flight);
  for (const deadline = performance.now() + waitLimitMs; performance.now() < deadline; ) {
    await delay(controllerTurnMs);
    const release = await readRelease(world);
    if (release.state !== "running") return checked(release);
    const more = await replay(world, flights);
    await reportOutcomes(world, more);
    served.push(...more);
  }
  return checked(await readRelease(world));
}

function checked(release: Release): Release {
  check(release.state === "promoted", `the release is ${release.state}: ${release.reasons.join("; ")}`);
  return release;
}

/** What both versions were asked in its steps, and what came of it. */
function describeRelease({ candidate, champion, evidence, guards }: Release): string {
  const asked = evidence.reduce((sum, { candidate: counts }) => sum + counts.requests, 0);
  const beside = evidence.reduce((sum, { control }) => sum + control.requests, 0);
  const harm = Math.max(...guards.map(({ logEvidence }) => Math.exp(logEvidence)));
  return `version ${candidate.version} answered ${count(asked)} of them beside version ${champion.version} (${count(beside)}), no guard found harm (largest e-value ${harm.toPrecision(2)}); it is the champion now`;
}

function latencies(served: readonly Served[]): {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
} {
  const sorted = Float64Array.from(served, (one) => one.millis).toSorted();
  const [p50 = 0, p95 = 0, p99 = 0] = [0.5, 0.95, 0.99].map((p) => quantile(sorted, p));
  return { p50, p95, p99 };
}

/** The charter's bound on p99, in milliseconds. What else a machine does is no fault of the road: it is said, not failed. */
const p99BoundMs = 120;

function judged(p99: number): string {
  return p99 <= p99BoundMs ? "" : ` (over the charter's ${p99BoundMs} ms: what else does this machine do?)`;
}
