import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { aCall, openTestDatabase, testOrganisation } from "@portolan/testkit";
import { expect, test } from "vitest";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import { publishedRoutes } from "../src/snapshot/fitting-routes.ts";
import { latestSnapshot } from "../src/store.ts";
import { deployDeps, model, publisherOf } from "./publishing.ts";

test("outside dev a route names what its versions' promotions rest on, and gateways may fetch that", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-serving-"));
  const db = await openTestDatabase({ migrations: [servingMigrations] });
  try {
    const objects = await openFolderObjectStore(folder, systemClock);
    const template = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
    const { document, digest } = requireValid(parseCharter(readFileSync(template, "utf8")));
    const charters = { inForce: async () => ({ id: "cht_1", version: 1, digest, document }) };
    const engineer = aCall({ roles: ["ml_engineer"] });
    const models = { find: async () => ({ ...model, stages: ["production"] as const }) };
    for (const environment of ["dev", "production"] as const) {
      const request = { environment, useCaseId: "uc_1", model: "score", version: 1 };
      await deployEndpoint({ ...deployDeps(db), charters, models }, engineer, "score", request);
    }
    const statement = { digest: `sha256:${"5".repeat(64)}`, signedAt: 7 };
    const asked: string[] = [];
    const attestations = {
      find: async (_call: unknown, environment: string) => {
        asked.push(environment);
        return new Map([["score/1", [statement]]]);
      },
    };
    await publisherOf(db, objects, { charters, attestations }).publish(testOrganisation);
    const latest = await db.uow.read(engineer, (sql) => latestSnapshot(sql, testOrganisation));
    if (!latest) throw new Error("no snapshot");
    const routes = [...(await publishedRoutes(objects, latest.manifest)).values()];
    const named = Object.fromEntries(
      routes.map(({ environment, model: { attestations: own } }) => [environment, own]),
    );
    expect(named).toEqual({ dev: undefined, production: [statement] });
    expect(asked).toEqual(["production"]);
    expect(latest.fetchable).toContainEqual(
      expect.objectContaining({ digest: statement.digest, environment: "production" }),
    );
  } finally {
    await db.close();
    await rm(folder, { recursive: true });
  }
});
