import { setTimeout as delay } from "node:timers/promises";
import { addMicros, microsPerSecond } from "@portolan/kernel";
import type { Release } from "@portolan/rollout/contract";
import { check, until, waitLimitMs } from "./narrator.ts";
import { featurePlan } from "./serve.ts";
import { flightsBetween } from "./source.ts";
import { replay, reportOutcomes } from "./traffic.ts";
import { count, endpointName, modelName, type World } from "./world.ts";

/** As many callers for each: the fewest answers that it takes to see a difference. */
const sharePercent = 50;
/** Flights between two looks at the release; their outcomes are reported before. */
const flightsPerLook = 250;
/** Outcomes and counts are looked at every five seconds. */
const lookMs = 1500;
const hoursAhead = 2;
const hourMicros = 3600 * microsPerSecond;

/**
 * A release that every offline gate lets pass and that is harmful all the same: the version of before, fed with its columns one place off.
 * The outcomes of its answers show it; nobody intervenes.
 */
export async function harmfulReleaseStep(world: World): Promise<string[]> {
  const { lee, rita, pipeline } = world.cast.as;
  const champion = world.version ?? 0;
  const candidate = world.firstVersion ?? 0;
  await promote(world, candidate);
  const { id } = await pipeline.json<Release>({
    path: `/v1/endpoints/${endpointName}/releases`,
    body: {
      environment: "production",
      model: modelName,
      version: candidate,
      features: shiftedPlan(world),
      plan: {
        steps: [{ kind: "canary", percent: sharePercent, leastRequests: 5000, leastSeconds: 1 }],
        wrong: { decideAt: 0.5 },
        slowMs: null,
      },
    },
  });
  for (const who of [lee, rita]) await who.json({ path: `/v1/releases/${id}/approvals`, body: {} });
  const read = () => lee.json<Release>({ path: `/v1/releases/${id}` });
  await until(
    async () => (await read()).stepSince !== null,
    "no gateway took the step of the harmful release",
  );
  const release = await replayUntilEnded(world, read);
  check(
    release.state === "rolled_back",
    `the harmful release is ${release.state}: ${release.reasons.join("; ")}`,
  );
  // What answers may go on answering; the next release begins with it as the promoted one.
  await promote(world, champion);
  return describe(world, release);
}

/** Each column one place off: no gate can see it, since gates are fed by the training set. */
function shiftedPlan({ heldOut }: World): ReturnType<typeof featurePlan> {
  const features = heldOut?.features ?? [];
  return featurePlan(heldOut && { ...heldOut, features: [...features.slice(-1), ...features.slice(0, -1)] });
}

async function promote(world: World, version: number): Promise<void> {
  const path = `/v1/models/${modelName}/versions/${version}/promotions`;
  await world.cast.as.rita.json({ path, body: { to: "production" } });
}

/** Departures of the next hours, in small portions whose outcomes follow at once, until the release has ended. */
async function replayUntilEnded(world: World, read: () => Promise<Release>): Promise<Release> {
  const from = world.replayedTo;
  check(from !== undefined, "nothing was replayed before");
  if (from === undefined) throw new Error("unreachable");
  const flights = await flightsBetween(world, from, addMicros(from, hoursAhead * hourMicros));
  let release = await read();
  const deadline = performance.now() + waitLimitMs;
  for (let look = 0; release.state === "running" && performance.now() < deadline; look++) {
    const start = (look * flightsPerLook) % Math.max(1, flights.length - flightsPerLook);
    await reportOutcomes(world, await replay(world, flights.slice(start, start + flightsPerLook)));
    await delay(lookMs);
    release = await read();
  }
  return release;
}

function describe(
  world: World,
  { candidate, champion, evidence, guards, stepSince, endedAt }: Release,
): string[] {
  const [step] = evidence;
  const wrong = (counts: { labelled?: number; wrong?: number } = {}) =>
    `${(100 * ((counts.wrong ?? 0) / Math.max(1, counts.labelled ?? 0))).toFixed(0)} % of ${counts.labelled ?? 0}`;
  const seconds = ((endedAt ?? 0) - (stepSince ?? 0)) / microsPerSecond;
  const found = guards
    .filter(({ logEvidence, logBound }) => logEvidence >= logBound)
    .map(({ guard }) => guard);
  const harmed = step?.candidate.requests ?? 0;
  world.summary.rolledBack = { seconds, requests: harmed };
  return [
    `version ${candidate.version} with its columns one place off passed every gate, and was given ${sharePercent} % of the callers`,
    `outcomes showed ${wrong(step?.candidate)} of its answers to be wrong, ${wrong(step?.control)} of version ${champion.version}'s (guard ${found.join(", ")})`,
    `rolled back by itself after ${seconds.toFixed(1)} s and ${count(harmed)} of its requests; version ${champion.version} answers all`,
  ];
}
