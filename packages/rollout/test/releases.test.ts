import {
  type CallContext,
  createLogger,
  type Environment,
  type Id,
  microsPerSecond,
  newId,
  PortolanError,
} from "@portolan/kernel";
import { ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import type { PredictionHeader } from "@portolan/predictions/contract";
import type { DeployRequest } from "@portolan/serving/contract";
import {
  aCall,
  type FakeClock,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { approveRelease, pauseRelease, resumeRelease, rollBackRelease } from "../src/change-release.ts";
import type { Release, ReleaseRequest } from "../src/contract.ts";
import { countBlocks, rolloutMigrations, startReleaseController } from "../src/index.ts";
import type { Endpoints, ReleaseTerms } from "../src/ports.ts";
import { readRelease, readReleases } from "../src/read-releases.ts";
import { reportEvents } from "../src/report-events.ts";
import { type RolloutDeps, startRelease } from "../src/start-release.ts";
import { aHeader } from "./prediction-headers.ts";

const clock: FakeClock = fakeClock();
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [ledgerMigrations, rolloutMigrations], clock });
});
afterAll(() => db.close());

/** Deployments in memory, each published at once in a snapshot of its own. */
class DeployedEndpoints implements Endpoints {
  readonly deployed: DeployRequest[] = [];
  readonly by: string[] = ["usr_lee"];
  fault: Error | undefined;
  /** What happens between a look at the endpoint and its deployment, once. */
  meanwhile: (() => Promise<unknown>) | undefined;
  readonly #environment: Environment;
  #snapshot = 100;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.deployed.push({ environment, useCaseId: "uc_1", model: "churn", version: 1 });
  }

  get inForce(): string {
    return `dep_${this.deployed.length}`;
  }

  get snapshot(): number {
    return this.#snapshot;
  }

  async find(_call: CallContext, environment: Environment, name: string) {
    const request = this.deployed.at(-1);
    if (name !== endpoint || environment !== this.#environment || !request) return undefined;
    const deploymentId = this.inForce;
    const owner = { businessUnitId: "bu_1", teamId: null };
    const deployedBy = this.by.at(-1) ?? "";
    return { deploymentId, snapshotVersion: this.#snapshot, request, deployedBy, ...owner };
  }

  async check(): Promise<void> {
    if (this.fault) throw this.fault;
  }

  async deploy(call: CallContext, _name: string, request: DeployRequest, insteadOf: string): Promise<string> {
    const before = this.meanwhile;
    this.meanwhile = undefined;
    await before?.();
    if (this.fault) throw this.fault;
    if (insteadOf !== this.inForce) throw new PortolanError("kernel.conflict", {});
    this.deployed.push(request);
    this.by.push(call.actor.id);
    this.#snapshot++;
    return this.inForce;
  }
}

let endpoint = "";
let endpoints: DeployedEndpoints;
let terms: ReleaseTerms | undefined;
let deps: RolloutDeps;
let controller: ReturnType<typeof startReleaseController>;
let blocks = 0;
const authorizer = testAuthorizer({
  ml_engineer: ["serving:deploy", "serving:read"],
  approver_risk: ["rollout:approve", "serving:read"],
  application: ["outcomes:write"],
});
const log = createLogger({ name: "rollout", level: "silent" });
const engineer = (id = "usr_lee") => aCall({ id, roles: ["ml_engineer", "approver_risk"] });

beforeEach(() => {
  endpoint = newId("endpoint", clock.now()).replace("_", "-");
  setUp("dev");
});

function setUp(environment: Environment): void {
  endpoints = new DeployedEndpoints(environment);
  terms = undefined;
  deps = {
    work: db.uow,
    authorizer,
    endpoints,
    charters: { termsFor: async () => terms },
    wake: () => undefined,
  };
  restart();
}

/** A controller that knows nothing but the database, as after a crash. */
function restart(): void {
  const organisations = async () => [testOrganisation];
  controller = startReleaseController({
    work: db.uow,
    clock,
    endpoints,
    log,
    organisations,
    pollMs: 3_600_000,
  });
}

const least = { leastRequests: 100, leastSeconds: 10 };
const plan: ReleaseRequest["plan"] = {
  steps: [
    { kind: "shadow", sample: 1, ...least },
    { kind: "canary", percent: 5, ...least },
    { kind: "canary", percent: 50, ...least },
  ],
  slowMs: 50,
};
const start = (over: Partial<ReleaseRequest> = {}, call = engineer()) =>
  startRelease(deps, call, endpoint, { environment: "dev", model: "churn", version: 2, plan, ...over });
const now = ({ id }: Pick<Release, "id">) => readRelease(deps, engineer(), id);
const times = (count: number, header: PredictionHeader) => Array.from({ length: count }, () => header);

/** A delivered block of this many requests of both, under the snapshot in force; of the candidate's some are errors. */
async function serve(candidate: number, control: number, errors = 0, environment: Environment = "dev") {
  const at = { endpoint, environment, snapshotVersion: endpoints.snapshot };
  const status = { kind: "error", httpStatus: 502, reason: "serving.model_failed" } as const;
  const headers = [
    ...times(candidate - errors, aHeader({ ...at, version: 2, variant: "canary" })),
    ...times(errors, aHeader({ ...at, version: 2, variant: "canary", status })),
    ...times(control, aHeader({ ...at, version: 1 })),
  ];
  const block = { writerId: "wr_1" as Id<"writer">, epoch: 1, block: blocks++, headers };
  const deliver = () => countBlocks({ work: db.uow, wake: () => undefined }, aCall(), [block]);
  await deliver();
  return deliver;
}

async function look(seconds = 0): Promise<void> {
  clock.advance(seconds * microsPerSecond);
  await controller.runOnce();
}

/** Looks twice: a step is deployed at the first, and known to be published at the second. */
async function looks(seconds = 0): Promise<void> {
  await look(seconds);
  await look();
}

/** The database as a crash right after a first deployment leaves it. */
const forgetDeployment = ({ id }: Release) =>
  db.database.session((session) =>
    session.query(
      "update rollout.releases set deployment_id = null, before_deployment_id = 'dep_1' where id = $1",
      [id],
    ),
  );

const lastDeployed = () => endpoints.deployed.at(-1);
const events = async ({ id }: Release) => {
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows where subject = $1 order by id", [id]),
  );
  return rows.map(({ event }) => event);
};

describe("a release", () => {
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
    await serve(5000, 5000);
    await looks();
    expect(lastDeployed()).toMatchObject({ version: 2, variants: [{ name: "previous", version: 1 }] });
    expect(await now(release)).toMatchObject({ state: "promoted", isSettled: true });
    expect(await events(release)).toEqual([
      "rollout.release.started",
      "rollout.release.advanced",
      "rollout.release.advanced",
      "rollout.release.advanced",
      "rollout.release.promoted",
    ]);
    const back = await rollBackRelease(deps, engineer(), release.id, "support tickets");
    expect(back).toMatchObject({ state: "rolled_back", isSettled: false });
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

describe("a release is refused", () => {
  const code = (value: string) => expect.objectContaining({ code: value }) as object;

  test("while another one runs at the endpoint", async () => {
    await start();
    await expect(start({ version: 3 })).rejects.toEqual(code("rollout.release_running"));
    expect(await readReleases(deps, engineer(), endpoint)).toHaveLength(1);
  });

  test("of the champion, at an endpoint that is shared already, by a plan without an end, and of what may not be deployed", async () => {
    await expect(start({ version: 1 })).rejects.toEqual(code("rollout.nothing_to_release"));
    await expect(start({ plan: { steps: [{ kind: "shadow", sample: 1, ...least }] } })).rejects.toEqual(
      code("rollout.bad_plan"),
    );
    endpoints.fault = new PortolanError("serving.model_not_deployable", {});
    await expect(start()).rejects.toEqual(code("serving.model_not_deployable"));
    endpoints.fault = undefined;
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
  terms = { latencyMsP95: 80, riskTolerance: "medium" };
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
  await look();
  expect(await now(release)).toMatchObject({ step: 1, approvals: { given: [{ by: "usr_kim" }] } });
});
