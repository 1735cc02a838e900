import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, deploymentsNaming, servingMigrations } from "../src/index.ts";
import type { Route } from "../src/snapshot/schema.ts";
import { listDeployed } from "../src/store.ts";
import { deployDeps } from "./publishing.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(() => db.close());
const engineer = () => aCall({ roles: ["ml_engineer"] });
const deps = () => deployDeps(db);
const request = { environment: "dev", useCaseId: "uc_1", model: "score", version: 1 } as const;

test("whoever attests deployments is told of each in its transaction, and finds those that named a version", async () => {
  const told: string[] = [];
  const deployer = engineer();
  const telling = {
    ...deps(),
    deployed: async (_tx: unknown, route: Route) => void told.push(route.deploymentId),
  };
  const first = await deployEndpoint(telling, engineer(), "told", request);
  const beside = { name: "candidate", kind: "shadow", model: "score", version: 1 } as const;
  const second = await deployEndpoint(telling, deployer, "told", { ...request, variants: [beside] });
  expect(told).toEqual([first.deploymentId, second.deploymentId]);
  const naming = (version: number, organisation: string = testOrganisation) =>
    db.uow.read(engineer(), (sql) => deploymentsNaming(sql, organisation, { name: "score", version }));
  const found = (await naming(1)).filter(({ route }) => route.endpoint === "told");
  expect(found.map(({ id }) => id)).toEqual(told);
  expect(found[1]).toMatchObject({
    deployedBy: deployer.actor.id,
    route: { variants: [{ name: "candidate" }] },
  });
  expect(await naming(2)).toEqual([]);
  expect(await naming(1, "org_other")).toEqual([]);
  const failing = { ...deps(), deployed: async () => Promise.reject(new Error("no room")) };
  await expect(deployEndpoint(failing, engineer(), "untold", request)).rejects.toThrow("no room");
  const deployed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  expect(deployed.map(({ name }) => name)).not.toContain("untold");
});
