import { type CallContext, PortolanError } from "@portolan/kernel";
import type { DeployRequest } from "@portolan/serving/contract";
import { aCall, testOrganisation } from "@portolan/testkit";
import { describe, expect, test } from "vitest";
import { approveRelease } from "../src/change-release.ts";
import { candidateAt } from "../src/index.ts";
import { readRelease, readReleases } from "../src/read-releases.ts";
import {
  charter,
  db,
  deps,
  endpoint,
  endpoints,
  engineer,
  lastDeployed,
  least,
  look,
  looks,
  now,
  openReleaseWorld,
  plan,
  serve,
  setUp,
  start,
} from "./release-world.ts";

openReleaseWorld();

describe("while the next step cannot be deployed", () => {
  const refusal = new PortolanError("serving.charter_blocks", { detail: "the charter forbids it" });

  test("a release says so and holds where it is, and goes on when it can", async () => {
    const release = await start();
    await looks();
    await serve(300, 300);
    endpoints.refusal = refusal;
    await looks(11);
    const held = await now(release);
    expect(held).toMatchObject({ state: "running", step: 0, isSettled: true });
    expect(held.reasons.join()).toMatch(/cannot be deployed as its next step.*the charter forbids it/);
    // A charter that refuses leaves a row each time: it is not asked at each look.
    const asked = endpoints.checked.length;
    await look();
    expect(endpoints.checked).toHaveLength(asked);
    endpoints.refusal = undefined;
    await look(31);
    expect(await now(release)).toMatchObject({ step: 1, isSettled: true });
  });

  test("the one that is in force is still judged, and taken back for harm and at the deadline", async () => {
    const release = await start();
    await looks();
    await serve(300, 300);
    endpoints.fault = new Error("the database is busy");
    await looks(11);
    expect(await now(release)).toMatchObject({ step: 1, isSettled: false });
    await serve(300, 300, 60);
    await looks(60);
    expect(await now(release)).toMatchObject({ state: "rolled_back", isSettled: false });
    endpoints.fault = undefined;
    await look(60);
    expect(lastDeployed()).toEqual(endpoints.deployed[0]);
    expect(await now(release)).toMatchObject({ state: "rolled_back", isSettled: true });
  });
});

describe("a release is refused", () => {
  const code = (value: string) => expect.objectContaining({ code: value }) as object;

  test("while another one runs at the endpoint", async () => {
    await start();
    await expect(start({ version: 3 })).rejects.toEqual(code("rollout.release_running"));
    expect(await readReleases(deps, engineer(), endpoint)).toHaveLength(1);
  });

  test("of a version whose end at the endpoint is announced; the end of another one is none of its", async () => {
    endpoints.ending = [{ model: "churn", version: 2, endsAt: Date.UTC(2027, 2, 1) * 1000 }];
    await expect(start()).rejects.toMatchObject({
      code: "rollout.version_ending",
      detail: expect.stringContaining("announced for 2027-03-01T00:00:00Z") as string,
      mend: expect.stringContaining("--version 2 --withdraw") as string,
    });
    endpoints.ending = [{ model: "churn", version: 1, endsAt: Date.UTC(2027, 2, 1) * 1000 }];
    const at = { organisationId: testOrganisation, environment: "dev", endpoint } as const;
    expect(await candidateAt(db.sql, at)).toBeUndefined();
    const { id } = await start();
    expect(await candidateAt(db.sql, at)).toEqual({ releaseId: id, name: "churn", version: 2 });
  });

  test("of the champion, at an endpoint that is shared already, by a plan without an end, and of what may not be deployed", async () => {
    await expect(start({ version: 1 })).rejects.toEqual(code("rollout.nothing_to_release"));
    await expect(start({ plan: { steps: [{ kind: "shadow", sample: 1, ...least }] } })).rejects.toEqual(
      code("rollout.bad_plan"),
    );
    endpoints.refusal = new PortolanError("serving.model_not_deployable", {});
    await expect(start()).rejects.toEqual(code("serving.model_not_deployable"));
    endpoints.refusal = undefined;
    const shared = { ...endpoints.deployed[0], traffic: { split: [] } } as DeployRequest;
    await endpoints.deploy(engineer(), endpoint, shared, endpoints.inForce);
    await expect(start()).rejects.toEqual(code("rollout.endpoint_shared"));
  });

  test("to whoever may not deploy; and whoever may not see the endpoint learns of no release", async () => {
    await expect(start({}, aCall({ roles: ["auditor"] }))).rejects.toMatchObject({
      code: "identity.forbidden",
    });
    const release = await start();
    const elsewhere = aCall({ environments: ["staging"], roles: ["ml_engineer"] });
    const missing = readRelease(deps, elsewhere, "rel_none").catch((error: unknown) => error);
    const unseen = readRelease(deps, elsewhere, release.id).catch((error: unknown) => error);
    expect(await missing).toMatchObject({ code: "kernel.not_found", detail: "there is no release rel_none" });
    expect(await unseen).toMatchObject({
      code: "kernel.not_found",
      detail: `there is no release ${release.id}`,
    });
    expect(await readReleases(deps, elsewhere, endpoint)).toEqual([]);
  });
});

test("in production nobody is answered by a candidate that only its requester wants", async () => {
  setUp("production");
  charter.terms = { latencyMsP95: 80, riskTolerance: "medium" };
  const release = await start({ environment: "production", plan: { steps: plan?.steps ?? [] } });
  expect(release).toMatchObject({ approvals: { needed: 1, given: [] }, plan: { slowMs: 80 } });
  await looks();
  await serve(300, 300, 0, "production");
  await looks(11);
  expect(await now(release)).toMatchObject({ step: 0, reasons: ["waits for 1 approval"] });
  const approve = (call: CallContext) => approveRelease(deps, call, release.id);
  await expect(approve(engineer())).rejects.toMatchObject({ code: "rollout.not_approver" });
  const machine = aCall({ kind: "service_account", id: "sa_1", roles: ["approver_risk"] });
  await expect(approve(machine)).rejects.toMatchObject({ code: "rollout.not_approver" });
  await expect(approve(aCall({ id: "usr_kim", roles: ["ml_engineer"] }))).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await approve(aCall({ id: "usr_kim", roles: ["approver_risk"] }));
  // What the charter of today asks for counts, where that is more.
  charter.terms = { ...charter.terms, riskTolerance: "low" };
  await look();
  expect(await now(release)).toMatchObject({ step: 0, approvals: { needed: 2 } });
  expect((await now(release)).reasons).toEqual(["waits for 1 approval"]);
  await approve(aCall({ id: "usr_sam", roles: ["approver_risk"] }));
  await look();
  expect(await now(release)).toMatchObject({
    step: 1,
    approvals: { given: [{ by: "usr_kim" }, { by: "usr_sam" }] },
  });
});
