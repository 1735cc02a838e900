import { readTemplate } from "@portolan/charter";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { digestBytes, digestJson, systemClock } from "@portolan/kernel";
import { searchLedger } from "@portolan/ledger";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SnapshotManifest } from "../src/contract.ts";
import { deployEndpoint, servingMigrations } from "../src/index.ts";
import type { DeployableModel, ServedCharter } from "../src/ports.ts";
import { servedRoutes } from "../src/served-routes.ts";
import { fetchableOf } from "../src/snapshot/placed-parts.ts";
import { listDeployed } from "../src/store.ts";

const tensor = { name: "x", datatype: "FP32" as const, shape: [-1, 2] };
const emptyManifest: SnapshotManifest = {
  format: 2,
  organisationId: testOrganisation,
  version: 1,
  createdAt: 0,
  parts: [],
};

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [servingMigrations] });
});
afterAll(() => db.close());

const engineer = () => aCall({ roles: ["ml_engineer"] });
const location = { region: "local", owner: "self" };
const request = { environment: "dev", useCaseId: "uc_1", model: "score", version: 1 } as const;
const noCharter = { inForce: async () => undefined };

/** Version n of `score`, each with bytes of its own. */
function version(number: number): DeployableModel {
  return {
    useCaseId: "uc_1",
    stages: [],
    reference: {
      name: "score",
      version: number,
      digest: digestBytes(Buffer.from(`model ${number}`)),
      sizeBytes: 5,
      bundle: { digest: digestBytes(Buffer.from("bundle")), signedAt: 1 },
      signature: { inputs: [tensor], outputs: [{ ...tensor, name: "y" }] },
      origin: "trained",
    },
  };
}

const deps = () => ({
  work: db.uow,
  authorizer: testAuthorizer({ ml_engineer: ["serving:deploy"] }),
  clock: systemClock,
  useCases: { find: async () => ({ useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null }) },
  charters: noCharter,
  views: { onDemand: async () => undefined, texts: async () => [] },
  compute: { judge: async () => null },
  models: {
    find: async (_call: unknown, name: string, number: number) =>
      name === "score" ? version(number) : undefined,
  },
  location,
});

describe("versions beside an endpoint's own", () => {
  const canary = { name: "next", kind: "split", model: "score", version: 2 } as const;

  test("shares, shadows, a secondary model and a rule go into the route, its snapshot and what gateways may fetch", async () => {
    const route = await deployEndpoint(deps(), engineer(), "shared", {
      ...request,
      variants: [canary, { name: "later", kind: "shadow", model: "score", version: 3, sample: 0.5 }],
      traffic: { split: [{ variant: "next", weight: 10 }] },
      secondary: { model: "score", version: 4 },
      fallbacks: [{ kind: "secondary_model" }, { kind: "fixed", outputs: { y: 1 } }],
    });
    expect(route.variants.map(({ name, model: { version }, sample }) => [name, version, sample])).toEqual([
      ["next", 2, 1],
      ["later", 3, 0.5],
    ]);
    expect(route.traffic).toEqual({
      seed: route.endpointId,
      rules: [],
      split: [{ variant: "next", weight: 10 }],
      sticky: "principal",
    });
    const fetchable = fetchableOf(emptyManifest, [route]).map(({ digest }) => digest);
    for (const version of [1, 2, 3, 4])
      expect(fetchable).toContain(digestBytes(Buffer.from(`model ${version}`)));
    const listed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
    const [served] = await servedRoutes(
      { clock: systemClock, charters: noCharter, location },
      engineer(),
      listed.filter(({ name }) => name === "shared"),
    );
    expect(served).toMatchObject({
      kind: "route",
      route: { variants: route.variants, secondary: route.secondary },
    });
  });

  test.each([
    [{ traffic: { split: [{ variant: "next", weight: 10 }] } }, "there is no split variant next"],
    [
      {
        variants: [canary],
        traffic: {
          split: [
            { variant: "next", weight: 60 },
            { variant: "champion", weight: 50 },
          ],
        },
      },
      "the weights sum up to 110 percent",
    ],
    [{ variants: [canary, canary] }, "two variants are called next"],
    [{ variants: [{ ...canary, name: "champion" }] }, "no variant may be called champion"],
    [
      { fallbacks: [{ kind: "rule" as const, expression: "nothing + 1" }] },
      "does not fit the request's columns",
    ],
    [{ fallbacks: [{ kind: "rule" as const, expression: "x + 1.0" }] }, "which is no single column"],
  ])("%j is refused: %s", async (over, why) => {
    await expect(
      deployEndpoint(deps(), engineer(), "refused", { ...request, ...over }),
    ).rejects.toMatchObject({
      code: "serving.model_not_deployable",
      detail: expect.stringContaining(why) as string,
    });
  });
});

test("where a measurement contradicts the plan, the deployment says so in its answer and on the ledger", async () => {
  const compute = {
    tier: "cpu",
    plannedTier: "gpu",
    p95Micros: 90,
    disagreements: ["the plan takes a GPU, the measurement says a CPU"],
  } as const;
  const judged = { ...compute, disagreements: [...compute.disagreements] };
  const asked: unknown[] = [];
  const judge = async (_call: unknown, { name, version }: { name: string; version: number }) => {
    asked.push(`${name}/${version}`);
    return judged;
  };
  const call = engineer();
  const route = await deployEndpoint({ ...deps(), compute: { judge } }, call, "judged", request);
  expect(route.compute).toEqual(judged);
  expect(asked).toEqual(["score/1"]);
  const { entries } = await searchLedger(
    { uow: db.uow, authorizer: testAuthorizer({ ml_engineer: ["*"] }), clock: systemClock } as never,
    aCall({ roles: ["ml_engineer"] }),
    { event: "serving.endpoint.deployed", requestId: call.requestId },
  );
  expect(entries[0]?.detail).toMatchObject({ tier: "cpu", disagreements: compute.disagreements });
});

test("a deployment states how its requests share runs, within a quarter of the charter's p95", async () => {
  const template = requireValid(parseCharter(readTemplate("flight-delays")));
  const charterOf = (p95: string): ServedCharter => {
    const document = structuredClone(template.document);
    document.requirements.latency.p95 = p95;
    return { id: "cht_1", version: 1, digest: digestJson(document), document };
  };
  let charter = charterOf("50ms");
  const governed = { ...deps(), charters: { inForce: async () => charter } };
  const deploy = (maxDelayMs: number, preferredRows: number[] = []) =>
    deployEndpoint(governed, engineer(), "batched", { ...request, batching: { maxDelayMs, preferredRows } });
  await expect(deploy(13)).rejects.toMatchObject({
    code: "serving.model_not_deployable",
    detail: expect.stringContaining("a quarter of the charter's p95 of 50 ms, which is 12 ms") as string,
  });
  await expect(deploy(2, [16, 8])).rejects.toThrow(/do not ascend/);
  expect((await deploy(12, [8, 16])).batching).toEqual({ maxDelayMs: 12, preferredRows: [8, 16] });
  charter = charterOf("20ms");
  const listed = await db.uow.read(engineer(), (sql) => listDeployed(sql, testOrganisation));
  const [served] = await servedRoutes(
    { clock: systemClock, charters: governed.charters, location },
    engineer(),
    listed.filter(({ name }) => name === "batched"),
  );
  expect(served, "a shorter p95 shortens the delay of a live route").toMatchObject({
    kind: "route",
    route: { batching: { maxDelayMs: 5, preferredRows: [8, 16] } },
  });
});

test("what answers at an endpoint goes on beside a version that is promoted in its place, and comes back; elsewhere it is refused", async () => {
  const { document, digest } = requireValid(parseCharter(readTemplate("flight-delays")));
  const promoted = new Set([1]);
  const governed = {
    ...deps(),
    charters: {
      inForce: async (): Promise<ServedCharter> => ({ id: "cht_1", version: 1, digest, document }),
    },
    models: {
      find: async (_call: unknown, _name: string, number: number): Promise<DeployableModel> => ({
        ...version(number),
        stages: promoted.has(number) ? ["staging"] : [],
      }),
    },
  };
  const champion = { ...request, environment: "staging" } as const;
  const candidate = { name: "candidate", kind: "split", model: "score", version: 2 } as const;
  const beside = { variants: [candidate], traffic: { split: [{ variant: "candidate", weight: 10 }] } };
  const deploy = (endpoint: string, over: object = {}) =>
    deployEndpoint(governed, engineer(), endpoint, { ...champion, ...over });
  const refusal = { code: "serving.model_not_deployable" };
  await deploy("released");
  await expect(deploy("released", beside), "the candidate is promoted first").rejects.toMatchObject(refusal);
  promoted.clear();
  promoted.add(2);
  await deploy("released", beside);
  await expect(deploy("another")).rejects.toMatchObject(refusal);
  const previous = { name: "previous", kind: "split", model: "score", version: 1 } as const;
  await deploy("released", { version: 2, variants: [previous] });
  expect((await deploy("released")).model.version).toBe(1);
  await deploy("released", { version: 2 });
  await expect(deploy("released"), "nothing of it is left there").rejects.toMatchObject(refusal);
});
