import { readFileSync } from "node:fs";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { digestBytes, systemClock } from "@portolan/kernel";
import { searchLedger } from "@portolan/ledger";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ComputeVerdict } from "../src/endpoint.ts";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import type { DeployableModel, ServedCharter } from "../src/ports.ts";
import { servedRoutes } from "../src/served-routes.ts";
import type { Route, UpstreamPlace } from "../src/snapshot/schema.ts";
import { listDeployed } from "../src/store.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(() => db.close());

const template = new URL("../../charter/templates/flight-delays.yaml", import.meta.url);
const { document, digest } = requireValid(parseCharter(readFileSync(template, "utf8")));

/** The template's charter, signed anew. */
function charterOf(p95: string, regions: string[] = ["local", "eu-*"]): ServedCharter {
  const changed = structuredClone(document);
  changed.requirements.latency.p95 = p95;
  changed.nonNegotiables.residency = { regions };
  return { id: "cht_1", version: 1, digest, document: changed };
}

const tensor = { name: "x", datatype: "FP32" as const, shape: [-1, 2] };
const outputs = [{ ...tensor, name: "y" }];

function version(name: string, region?: string, inputs = [tensor]): DeployableModel {
  const place = (at: string): UpstreamPlace => ({
    protocol: "open-inference-grpc",
    region: at,
    owner: "self",
    environments: ["production"],
  });
  return {
    useCaseId: "uc_1",
    stages: ["production"],
    reference: {
      name,
      version: 1,
      digest: digestBytes(Buffer.from(name)),
      sizeBytes: 5,
      bundle: { digest: digestBytes(Buffer.from(`${name}.sig`)), signedAt: 1 },
      signature: { inputs, outputs },
      origin: region === undefined ? "trained" : "imported",
      ...(region === undefined ? {} : { upstream: place(region) }),
    },
  };
}

const versions = [
  version("own"),
  version("other"),
  version("gpu", "eu-central-1"),
  version("edge", "local"),
  version("wide", "local", [{ ...tensor, shape: [-1, 3] }]),
];
const location = { region: "local", owner: "self" };
let inForce: ServedCharter;
let measured: ComputeVerdict | null;
beforeEach(() => {
  inForce = charterOf("50ms");
  measured = {
    tier: "cpu",
    plannedTier: "cpu",
    p95Micros: 20_000,
    costPerThousand: "0.001 EUR",
    disagreements: [],
  };
});
const charters = { inForce: async () => inForce };
const authorizer = testAuthorizer({ ml_engineer: ["*"] });

const gpu = {
  hardware: "gpu" as const,
  model: "gpu",
  version: 1,
  latencyMicrosP95: 8000,
  costPerThousand: "0.02 EUR",
};
const edge = { ...gpu, hardware: "edge" as const, model: "edge", latencyMicrosP95: 40_000 };

function deploy(name: string, over: object = {}, call = aCall({ roles: ["ml_engineer"] })) {
  const deps = {
    work: db.uow,
    authorizer,
    clock: systemClock,
    useCases: { find: async () => ({ useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null }) },
    views: { onDemand: async () => undefined, texts: async () => [] },
    compute: { judge: async () => measured },
    charters,
    models: {
      find: async (_call: unknown, asked: string) =>
        versions.find(({ reference }) => reference.name === asked),
    },
    location,
  };
  const backends = [gpu, edge];
  const request = {
    environment: "production",
    useCaseId: "uc_1",
    model: "own",
    version: 1,
    backends,
    ...over,
  };
  return deployEndpoint(deps, call, name, request as Parameters<typeof deployEndpoint>[3]);
}

const orderOf = ({ backends }: Pick<Route, "backends">) =>
  `${backends?.order.map(({ hardware }) => hardware).join(" ")}: ${backends?.why}`;

test("the cheapest place that keeps the charter's latency goes first, by what was measured and stated", async () => {
  const route = await deploy("cheap");
  expect(orderOf(route)).toBe("cpu gpu edge: cheapest");
  expect(route.backends?.order[0]).toMatchObject({ evidence: "measured", latencyMicrosP95: 20_000 });
  expect(route.compute?.disagreements).toEqual([]);
  measured = null;
  expect(orderOf(await deploy("unknown"))).toBe("cpu gpu edge: unmeasured");
});

test("other hardware than the plan takes is said in the answer and on the ledger", async () => {
  if (measured) measured = { ...measured, p95Micros: 80_000 };
  const call = aCall({ roles: ["ml_engineer"] });
  const route = await deploy("slow", {}, call);
  expect(orderOf(route)).toBe("gpu edge cpu: cheapest");
  const says = [expect.stringContaining("requests go to gpu/1 on a GPU")];
  expect(route.compute?.disagreements).toEqual(says);
  const ledger = { uow: db.uow, authorizer, clock: systemClock };
  const { entries } = await searchLedger(ledger as never, aCall({ roles: ["ml_engineer"] }), {
    event: "serving.endpoint.deployed",
    requestId: call.requestId,
  });
  expect(entries[0]?.detail).toMatchObject({
    backends: ["gpu gpu/1", "edge edge/1", "cpu own/1"],
    backendChosen: "cheapest",
    disagreements: says,
  });
});

test("a charter that is signed later chooses anew, and keeps what lies beyond its border from being asked", async () => {
  const call = aCall({ roles: ["ml_engineer"] });
  await deploy("later");
  const served = async () => {
    const deployed = await db.uow.read(call, (sql) => listDeployed(sql, testOrganisation));
    const all = await servedRoutes({ clock: systemClock, charters, location }, call, deployed);
    const found = all.find((one) => one.deployed.name === "later");
    return found?.kind === "route" ? orderOf(found.route) : found?.stop.code;
  };
  expect(await served()).toBe("cpu gpu edge: cheapest");
  inForce = charterOf("10ms");
  expect(await served()).toBe("gpu cpu edge: cheapest");
  inForce = charterOf("10ms", ["local"]);
  expect(await served()).toBe("cpu edge: fastest");
});

describe("what is refused", () => {
  test.each([
    [[{ ...gpu, model: "wide" }], "wide/1 takes or gives other tensors than own/1"],
    [[gpu, gpu], "gpu/1 is named twice"],
    [[{ ...gpu, model: "own" }], "own/1 is named twice"],
    [[{ ...gpu, costPerThousand: "0.02 USD" }], "costs are stated in EUR and USD"],
    [[{ ...gpu, model: "missing" }], "no model version missing/1"],
    [[{ ...gpu, model: "other" }], "other/1 is run by this gateway itself"],
  ])("%j: %s", async (backends, why) => {
    await expect(deploy("refused", { backends })).rejects.toMatchObject({
      code: "serving.model_not_deployable",
      detail: expect.stringContaining(why) as string,
    });
  });

  test("an own version that another server runs, as nothing here measures it", async () => {
    await expect(deploy("remote", { model: "edge", backends: [gpu] })).rejects.toMatchObject({
      detail: expect.stringContaining("is run by another server") as string,
    });
  });

  test("a place that the charter excludes", async () => {
    inForce = charterOf("50ms", ["local"]);
    await expect(deploy("abroad")).rejects.toMatchObject({ code: "charter.placement_refused" });
  });
});
