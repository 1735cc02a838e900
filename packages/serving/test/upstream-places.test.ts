import { readFileSync } from "node:fs";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { digestBytes, systemClock } from "@portolan/kernel";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import type { DeployableModel, ServedCharter } from "../src/ports.ts";
import { servedRoutes } from "../src/served-routes.ts";
import type { UpstreamPlace } from "../src/snapshot/schema.ts";
import { listDeployed } from "../src/store.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(() => db.close());

const template = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
const { document, digest } = requireValid(parseCharter(readFileSync(template, "utf8")));
type Residency = CharterDocument["nonNegotiables"]["residency"];

/** The template's charter, signed anew with other places. */
function keptIn(residency: Residency): ServedCharter {
  const nonNegotiables = { ...document.nonNegotiables, residency };
  return { id: "cht_1", version: 1, digest, document: { ...document, nonNegotiables } };
}

const tensor = { name: "x", datatype: "FP32" as const, shape: [-1, 2] };

/** A version that a server in that place runs. */
function runBy(name: string, region: string, over: Partial<UpstreamPlace> = {}): DeployableModel {
  return {
    useCaseId: "uc_1",
    stages: ["production"],
    reference: {
      name,
      version: 1,
      digest: digestBytes(Buffer.from(name)),
      sizeBytes: 5,
      bundle: { digest: digestBytes(Buffer.from(`${name}.sig`)), signedAt: 1 },
      signature: { inputs: [tensor], outputs: [{ ...tensor, name: "y" }] },
      origin: "imported",
      upstream: {
        protocol: "open-inference",
        region,
        owner: "self",
        environments: ["staging", "production"],
        ...over,
      },
    },
  };
}

const versions = [
  runBy("near", "local"),
  runBy("far", "us-east-1"),
  runBy("rented", "local", { owner: "aws" }),
  runBy("staging", "local", { environments: ["staging"] }),
  runBy("text", "local", { protocol: "openai" }),
];
const location = { region: "local", owner: "self" };
let inForce: ServedCharter;
const engineer = () => aCall({ roles: ["ml_engineer"] });
const charters = { inForce: async () => inForce };

function deploy(name: string, model: string, over: object = {}) {
  const deps = {
    work: db.uow,
    authorizer: testAuthorizer({ ml_engineer: ["serving:deploy"] }),
    clock: systemClock,
    useCases: { find: async () => ({ useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null }) },
    views: { onDemand: async () => undefined, texts: async () => [] },
    compute: { judge: async () => null },
    charters,
    models: {
      find: async (_call: unknown, asked: string) =>
        versions.find(({ reference }) => reference.name === asked),
    },
    location,
  };
  const request = { environment: "production", useCaseId: "uc_1", model, version: 1, ...over } as const;
  return deployEndpoint(deps, engineer(), name, request);
}

const shadow = { name: "trial", kind: "shadow" as const, model: "far", version: 1 };
const refused = { code: "charter.placement_refused" };
const notDeployable = { code: "serving.model_not_deployable" };

test("no version is deployed where its server may not be asked, whatever its part, and the refusal is on the ledger", async () => {
  inForce = keptIn({ regions: ["local"], owners: ["self"] });
  await expect(deploy("a", "far")).rejects.toMatchObject(refused);
  await expect(deploy("b", "rented")).rejects.toMatchObject(refused);
  await expect(deploy("c", "near", { variants: [shadow] })).rejects.toMatchObject(refused);
  const secondary = { model: "far", version: 1 };
  await expect(deploy("d", "near", { secondary })).rejects.toMatchObject(refused);
  await expect(deploy("e", "staging")).rejects.toMatchObject(notDeployable);
  const rows = await db.sql
    .withTables<{ "ledger.rows": { event: string; subject: string } }>()
    .selectFrom("ledger.rows")
    .select("subject")
    .where("event", "=", "serving.deployment.refused")
    .execute();
  expect(rows.map((row) => row.subject).toSorted()).toEqual(["a", "b", "c", "d", "e"]);
});

test("tensors and text do not answer at one endpoint", async () => {
  inForce = keptIn({ regions: ["local"] });
  const split = { ...shadow, kind: "split" as const, model: "text" };
  await expect(deploy("mixed", "near", { variants: [split] })).rejects.toMatchObject(notDeployable);
});

test("under a later charter the champion goes on without what lies beyond the border, and stops where it lies there itself", async () => {
  inForce = keptIn({ regions: ["local", "us-*"] });
  await deploy("bordered", "far");
  await deploy("bordered", "near", { variants: [shadow], secondary: { model: "far", version: 1 } });
  await deploy("abroad", "far");
  const served = async () => {
    const call = engineer();
    const deployed = await db.uow.read(call, (sql) => listDeployed(sql, testOrganisation));
    const all = await servedRoutes({ clock: systemClock, charters, location }, call, deployed);
    return Object.fromEntries(
      all.map((one) => [one.deployed.name, one.kind === "route" ? one.route : one.stop.code]),
    );
  };
  expect(await served()).toMatchObject({
    bordered: {
      variants: [{ name: "trial" }],
      secondary: { model: { name: "far" } },
      previous: { model: { name: "far" } },
    },
    abroad: { model: { name: "far" } },
  });
  inForce = keptIn({ regions: ["local"] });
  expect(await served()).toMatchObject({
    bordered: { model: { name: "near" }, variants: [], secondary: null, previous: null },
    abroad: "charter.placement_refused",
  });
});
