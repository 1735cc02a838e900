import { asEpochMicros, formatInstant, isPortolanError, type UnitOfWork } from "@portolan/kernel";
import { predictionsMigrations } from "@portolan/predictions";
import { candidateAt, rolloutMigrations, startRelease } from "@portolan/rollout";
import { announcedEndOf, deployEndpoint, findDeployed, servingMigrations } from "@portolan/serving";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { announceSunset } from "../../../packages/serving/src/sunsets/announce-sunset.ts";
import { deployDeps, model } from "../../../packages/serving/test/publishing.ts";

const clock = fakeClock();
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [servingMigrations, predictionsMigrations, rolloutMigrations],
    clock,
  });
});
afterAll(() => db.close());

const engineer = () => aCall({ roles: ["ml_engineer"] });
const authorizer = testAuthorizer({ ml_engineer: ["serving:deploy", "serving:read"] });

/** Of each version there is one. */
const deploy = (name: string, version: number) =>
  deployEndpoint(
    {
      ...deployDeps(db),
      models: {
        find: async (_call, _name, of) => ({ ...model, reference: { ...model.reference, version: of } }),
      },
    },
    engineer(),
    name,
    { environment: "dev", useCaseId: "uc_1", model: "score", version },
  );

/** The database, whose transactions that write begin when `gate` opens; `came` resolves at the first one. */
function heldBack(gate: Promise<void>) {
  const { promise: came, resolve } = Promise.withResolvers<void>();
  const work: UnitOfWork = {
    ...db.uow,
    write: async (call, then) => {
      resolve();
      await gate;
      return db.uow.write(call, then);
    },
  };
  return { work, came };
}

function end(name: string, work: UnitOfWork) {
  const endsAt = formatInstant(asEpochMicros(clock.now() + 86_400_000_000));
  const deps = { work, clock, authorizer, releases: { candidateAt } };
  const asked = { environment: "dev", version: 2, endsAt, reason: "the first was better" } as const;
  return announceSunset(deps, engineer(), name, asked);
}

function release(name: string, work: UnitOfWork) {
  const endpoints: Parameters<typeof startRelease>[0]["endpoints"] = {
    find: async (call, environment, endpoint) => {
      const found = await db.uow.read(call, (sql) =>
        findDeployed(sql, testOrganisation, environment, endpoint),
      );
      return found && { ...found, businessUnitId: "bu_1", teamId: null };
    },
    endOf: announcedEndOf,
    check: async () => undefined,
    deploy: async () => "dep_none",
  };
  const charters = { termsFor: async () => undefined };
  const deps = { work, authorizer, endpoints, charters, wake: () => undefined };
  return startRelease(deps, engineer(), name, { environment: "dev", model: "score", version: 2 });
}

/** Ends and releases version 2 of an endpoint that goes back to version 1 between the two questions; what both of them write, they write at once. */
async function race(name: string): Promise<string> {
  await deploy(name, 2);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const [ending, releasing] = [heldBack(gate), heldBack(gate)];
  const both = [end(name, ending.work)] as Promise<unknown>[];
  await ending.came;
  await deploy(name, 1);
  both.push(release(name, releasing.work));
  await releasing.came;
  open();
  const ended = await Promise.allSettled(both);
  return ended.map((one) => (one.status === "fulfilled" ? "passed" : codeOf(one.reason))).join();
}

function codeOf(error: unknown): string {
  if (isPortolanError(error)) return error.code;
  throw error;
}

test("of the end of a version and its release, asked for in the same moment, one passes and the other is told why it does not", async () => {
  const met = new Set<string>();
  for (let n = 0; n < 40; n++) met.add(await race(`at-${n}`));
  const either = ["passed,rollout.version_ending", "serving.version_under_release,passed"];
  expect(either).toEqual(expect.arrayContaining([...met]));
});
