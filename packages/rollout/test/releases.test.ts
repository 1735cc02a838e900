import { type CallContext } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import type { PredictionHeader } from "@portolan/predictions/contract";
import type { DeployRequest } from "@portolan/serving/contract";
import { aCall } from "@portolan/testkit";
import { describe, expect, test } from "vitest";
import { pauseRelease, resumeRelease, rollBackRelease } from "../src/change-release.ts";
import { releasesOver } from "../src/index.ts";
import { reportEvents } from "../src/report-events.ts";
import { aHeader } from "./prediction-headers.ts";
import {
  db,
  deps,
  ended,
  endpoint,
  endpoints,
  engineer,
  events,
  forgetDeployment,
  lastDeployed,
  look,
  looks,
  now,
  openReleaseWorld,
  plan,
  restart,
  serve,
  start,
} from "./release-world.ts";

openReleaseWorld();

describe("a release", () => {
  test("is asked about at its start as each of its steps and as the champion that it would be", async () => {
    await start();
    expect(endpoints.checked.map(({ version, variants }) => [version, variants?.[0]?.kind])).toEqual([
      [1, "shadow"],
      [1, "split"],
      [1, "split"],
      [2, "split"],
    ]);
  });

  test("of a good version goes through its steps to champion, each on the ledger, the one before kept warm", async () => {
    const release = await start();
    expect(endpoints.deployed).toHaveLength(1);
    await looks(1);
    expect(lastDeployed()?.variants).toMatchObject([{ kind: "shadow", version: 2 }]);
    await serve(300, 300);
    await looks(11);
    expect(lastDeployed()?.traffic?.split).toEqual([{ variant: "candidate", weight: 5 }]);
    await serve(200, 3800);
    await looks(11);
    expect(lastDeployed()?.traffic?.split).toEqual([{ variant: "candidate", weight: 50 }]);
    await serve(200, 200);
    await looks(11);
    expect((await now(release)).reasons.join()).toMatch(/not shown to be no worse/);
    expect(ended).toEqual([]);
    await serve(5000, 5000);
    await looks();
    expect(lastDeployed()).toMatchObject({ version: 2, variants: [{ name: "previous", version: 1 }] });
    expect(await now(release)).toMatchObject({ state: "promoted", isSettled: true });
    expect(ended).toEqual([{ id: release.id, version: 2 }]);
    const { organisationId } = engineer().actor;
    const over = (version: number) =>
      db.uow.read(engineer(), (sql) => releasesOver(sql, organisationId, { model: "churn", version }));
    expect((await over(2)).filter(({ id }) => id === release.id)).toMatchObject([{ state: "promoted" }]);
    expect(await over(3)).toEqual([]);
    expect(await events(release)).toEqual([
      "rollout.release.started",
      "rollout.release.advanced",
      "rollout.release.advanced",
      "rollout.release.advanced",
      "rollout.release.promoted",
    ]);
    const promoted = endpoints.deployed.at(-1) as DeployRequest;
    await endpoints.deploy(engineer(), endpoint, { ...promoted, version: 7 }, endpoints.inForce);
    await expect(rollBackRelease(deps, engineer(), release.id, "too late")).rejects.toMatchObject({
      code: "rollout.wrong_state",
    });
    endpoints.deployed.pop();
    const back = await rollBackRelease(deps, engineer(), release.id, "support tickets");
    expect(back).toMatchObject({ state: "rolled_back", isSettled: false });
    expect(ended).toHaveLength(2);
    await look();
    expect(lastDeployed()).toMatchObject({ version: 1 });
    expect(lastDeployed()?.variants).toBeUndefined();
  });

  test("of a bad version is rolled back at the first look after its errors", async () => {
    const release = await start();
    await looks();
    await serve(300, 300, 60);
    await look();
    expect(lastDeployed()).toEqual(endpoints.deployed[0]);
    const ended = await now(release);
    expect(ended).toMatchObject({ state: "rolled_back", isSettled: true, endedBy: "release-controller" });
    expect(ended.reasons.join()).toMatch(/^errors: evidence of harm/);
    expect(ended.evidence[0]).toMatchObject({ candidate: { requests: 300, errors: 60 } });
  });

  test("counts each block once, however often it is delivered", async () => {
    const release = await start();
    await looks();
    const again = await serve(7, 9);
    await again();
    await again();
    expect((await now(release)).evidence[0]).toMatchObject({
      candidate: { requests: 7 },
      control: { requests: 9 },
    });
  });

  test("goes on where a killed controller stopped, and deploys no step twice", async () => {
    const release = await start();
    // Killed before the deployment of a step that is on record.
    endpoints.fault = new Error("killed");
    await look();
    expect(await now(release)).toMatchObject({ step: 0, isSettled: false, problem: "killed" });
    endpoints.fault = undefined;
    restart();
    await look();
    expect(await now(release)).toMatchObject({ step: 0, isSettled: true, problem: null });
    // Killed between the deployment and its note.
    await forgetDeployment(release);
    restart();
    await looks();
    expect(endpoints.deployed).toHaveLength(2);
    expect(await now(release)).toMatchObject({ state: "running", step: 0, isSettled: true });
    // Rolled back by hand in that moment: the step's deployment is not taken for somebody else's.
    await forgetDeployment(release);
    await rollBackRelease(deps, engineer(), release.id, "at once");
    await look();
    expect(await now(release)).toMatchObject({ state: "rolled_back", isSettled: true });
    expect(lastDeployed()).toEqual(endpoints.deployed[0]);
  });

  test("without data holds until its deadline, and then ends inconclusive with the champion alone", async () => {
    const release = await start({ plan: { ...plan, deadlineSeconds: 600 } });
    await looks();
    await look(500);
    expect((await now(release)).reasons[0]).toMatch(/^no data/);
    await look(101);
    expect((await now(release)).state).toBe("inconclusive");
    expect(lastDeployed()).toEqual(endpoints.deployed[0]);
  });

  test("paused stays where it is, resumed goes on", async () => {
    const release = await start();
    await looks();
    await pauseRelease(deps, engineer(), release.id);
    await expect(pauseRelease(deps, engineer(), release.id)).rejects.toMatchObject({
      code: "rollout.wrong_state",
    });
    await serve(300, 300);
    await looks(11);
    expect(await now(release)).toMatchObject({ state: "paused", step: 0, reasons: ["paused"] });
    await resumeRelease(deps, engineer(), release.id);
    await look();
    expect(await now(release)).toMatchObject({ state: "running", step: 1 });
  });

  test("ends when somebody deploys the endpoint beside it, and leaves that deployment alone", async () => {
    const release = await start();
    await looks();
    const theirs = { ...endpoints.deployed[0], version: 7 } as DeployRequest;
    await endpoints.deploy(engineer(), endpoint, theirs, endpoints.inForce);
    await looks();
    expect(await now(release)).toMatchObject({ state: "superseded", isSettled: true });
    expect(lastDeployed()).toEqual(theirs);
  });

  test("replaces no deployment that it has not seen: neither somebody's, nor another controller's", async () => {
    const release = await start();
    await looks();
    await serve(300, 300);
    const theirs = { ...endpoints.deployed[0], version: 7 } as DeployRequest;
    endpoints.meanwhile = () => endpoints.deploy(engineer(), endpoint, theirs, endpoints.inForce);
    await looks(11);
    expect(lastDeployed()).toEqual(theirs);
    expect(await now(release)).toMatchObject({ state: "superseded", isSettled: true });
  });
});

test("events from elsewhere count once, for the version that was to answer, at the step that answered", async () => {
  const release = await start({ plan: { ...plan, events: ["support"] } });
  await looks();
  await serve(10, 10);
  const at = { endpoint, environment: "dev", snapshotVersion: endpoints.snapshot } as const;
  const records: Record<string, PredictionHeader> = {
    prd_own: aHeader({ ...at, version: 2, variant: "shadow" }),
    prd_champion: aHeader({ ...at, version: 1 }),
    prd_elsewhere: aHeader({ ...at, version: 1, endpoint: "delays" }),
  };
  const predictions = { find: async (_call: CallContext, id: string) => records[id] };
  const reporting = { ...deps, predictions, recordBatch: recordBatchDigest };
  const report = (predictionIds: string[], event = "support") =>
    reportEvents(reporting, aCall({ roles: ["application"] }), release.id, { event, predictionIds });
  expect(await report(["prd_own", "prd_champion", "prd_elsewhere", "prd_later"])).toEqual({
    added: 2,
    duplicates: 0,
    unknown: ["prd_elsewhere", "prd_later"],
  });
  expect(await report(["prd_own"])).toMatchObject({ added: 0, duplicates: 1 });
  expect((await now(release)).evidence[0]).toMatchObject({
    candidate: { requests: 10, posted: { support: 1 } },
    control: { requests: 10, posted: { support: 1 } },
  });
  await expect(report(["prd_own"], "orders")).rejects.toMatchObject({ code: "rollout.event_unknown" });
  await rollBackRelease(deps, engineer(), release.id, "by hand");
  await expect(report(["prd_own"])).rejects.toMatchObject({ code: "rollout.wrong_state" });
});
