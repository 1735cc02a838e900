import { createLogger, type Environment, type Id, microsPerSecond, newId } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { predictionsMigrations } from "@portolan/predictions";
import type { PredictionHeader, StoredPrediction } from "@portolan/predictions/contract";
import {
  aCall,
  type FakeClock,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Release, ReleaseRequest } from "../src/contract.ts";
import { countBlocks, rolloutMigrations, startReleaseController } from "../src/index.ts";
import type { ReleaseTerms } from "../src/ports.ts";
import { readRelease } from "../src/read-releases.ts";
import { type RolloutDeps, startRelease } from "../src/start-release.ts";
import { DeployedEndpoints } from "./deployed-endpoints.ts";
import { aHeader } from "./prediction-headers.ts";

export const clock: FakeClock = fakeClock();
export let db: TestDatabase;

export let endpoint = "";
export let endpoints: DeployedEndpoints;
/** The charter in force says this; undefined: there is none. */
export const charter: { terms: ReleaseTerms | undefined } = { terms: undefined };
export let deps: RolloutDeps;
/** Releases whose end was told of. */
export const ended: { readonly id: string; readonly version: number }[] = [];
let controller: ReturnType<typeof startReleaseController>;
let blocks = 0;
const authorizer = testAuthorizer({
  ml_engineer: ["serving:deploy", "serving:read"],
  approver_risk: ["rollout:approve", "serving:read"],
  application: ["outcomes:write"],
});
const log = createLogger({ name: "rollout", level: "silent" });
export const engineer = (id = "usr_lee") => aCall({ id, roles: ["ml_engineer", "approver_risk"] });

export function setUp(environment: Environment): void {
  endpoints = new DeployedEndpoints(endpoint, environment);
  charter.terms = undefined;
  ended.length = 0;
  deps = {
    work: db.uow,
    authorizer,
    endpoints,
    charters: { termsFor: async () => charter.terms },
    ended: async (_tx, { id, version }) => void ended.push({ id, version }),
    wake: () => undefined,
  };
  restart();
}

/** A controller that knows nothing but the database, as after a crash. */
export function restart(): void {
  const organisations = async () => [testOrganisation];
  controller = startReleaseController({
    work: db.uow,
    clock,
    endpoints,
    charters: deps.charters,
    ...(deps.ended ? { ended: deps.ended } : {}),
    log,
    organisations,
    pollMs: 3_600_000,
  });
}

export const least = { leastRequests: 100, leastSeconds: 10 };
export const plan: ReleaseRequest["plan"] = {
  steps: [
    { kind: "shadow", sample: 1, ...least },
    { kind: "canary", percent: 5, ...least },
    { kind: "canary", percent: 50, ...least },
  ],
  slowMs: 50,
};
export const start = (over: Partial<ReleaseRequest> = {}, call = engineer()) =>
  startRelease(deps, call, endpoint, { environment: "dev", model: "churn", version: 2, plan, ...over });
export const now = ({ id }: Pick<Release, "id">) => readRelease(deps, engineer(), id);
const times = (count: number, header: PredictionHeader) => Array.from({ length: count }, () => header);

/** A delivered block of this many requests of both, under the snapshot in force; of the candidate's some are errors. */
export async function serve(
  candidate: number,
  control: number,
  errors = 0,
  environment: Environment = "dev",
) {
  const at = { endpoint, environment, snapshotVersion: endpoints.snapshot };
  const status = { kind: "error", httpStatus: 502, reason: "serving.model_failed" } as const;
  const headers = [
    ...times(candidate - errors, aHeader({ ...at, version: 2, variant: "canary" })),
    ...times(errors, aHeader({ ...at, version: 2, variant: "canary", status })),
    ...times(control, aHeader({ ...at, version: 1 })),
  ];
  const block = { writerId: "wr_1" as Id<"writer">, epoch: 1, block: blocks++, headers };
  const records = { ofBlock: async () => [] };
  const deliver = () => countBlocks({ work: db.uow, records, wake: () => undefined }, aCall(), [block]);
  await deliver();
  return deliver;
}

/** A delivered block of answers: what each version said, under the snapshot in force. */
export async function say(candidate: readonly number[], control: readonly number[]) {
  const at = { endpoint, environment: "dev" as const, snapshotVersion: endpoints.snapshot };
  const recordOf = (header: PredictionHeader, said: number): StoredPrediction => ({
    header,
    payload: { outputs: { mediaType: "application/json", bytes: answerOf(said) } },
  });
  const records = [
    ...candidate.map((said) => recordOf(aHeader({ ...at, version: 2, variant: "canary" }), said)),
    ...control.map((said) => recordOf(aHeader({ ...at, version: 1 }), said)),
  ];
  const headers = records.map(({ header }) => header);
  const block = { writerId: "wr_1" as Id<"writer">, epoch: 1, block: blocks++, headers };
  const of = { work: db.uow, records: { ofBlock: async () => records }, wake: () => undefined };
  const deliver = () => countBlocks(of, aCall(), [block]);
  await deliver();
  return deliver;
}

function answerOf(said: number): Uint8Array {
  const tensor = { name: "p", datatype: "FP32", shape: [1, 2], data: [1 - said, said] };
  return Buffer.from(JSON.stringify({ outputs: [tensor] }));
}

export async function look(seconds = 0): Promise<void> {
  clock.advance(seconds * microsPerSecond);
  await controller.runOnce();
}

/** Looks twice: a step is deployed at the first, and known to be published at the second. */
export async function looks(seconds = 0): Promise<void> {
  await look(seconds);
  await look();
}

/** The database as a crash right after a first deployment leaves it. */
export const forgetDeployment = ({ id }: Release) =>
  db.database.session((session) =>
    session.query(
      "update rollout.releases set deployment_id = null, before_deployment_id = 'dep_1' where id = $1",
      [id],
    ),
  );

export const lastDeployed = () => endpoints.deployed.at(-1);
export const events = async ({ id }: Release) => {
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows where subject = $1 order by id", [id]),
  );
  return rows.map(({ event }) => event);
};

/** For a test file, at its top: files share this module, and hooks are of the file that registers them. */
export function openReleaseWorld(): void {
  beforeAll(async () => {
    db = await openTestDatabase({
      migrations: [ledgerMigrations, predictionsMigrations, rolloutMigrations],
      clock,
    });
  });
  afterAll(() => db.close());
  beforeEach(() => {
    endpoint = newId("endpoint", clock.now()).replace("_", "-");
    setUp("dev");
  });
}
