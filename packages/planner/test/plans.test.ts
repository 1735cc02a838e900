import { readFileSync } from "node:fs";
import { charterErrors } from "@portolan/charter";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { type ErrorCatalogue, toProblem } from "@portolan/http-contract";
import { type CallContext, isPortolanError, newId, PortolanError, systemClock } from "@portolan/kernel";
import { aCall, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plannerErrors, plannerMigrations, readShippedPrices, registerPlannerRoutes } from "../src/index.ts";
import type { PlannedCharter } from "../src/ports.ts";

const source = readFileSync(new URL("../../charter/templates/flight-delays.yaml", import.meta.url), "utf8");
const { document, digest, lines } = requireValid(parseCharter(source));
const submitted: PlannedCharter = {
  charterId: "cht_1",
  useCaseId: "uc_1",
  businessUnitId: "bu_1",
  teamId: "team_1",
  digest,
  document,
  lines,
  signedRoles: ["team_lead"],
};

let database: TestDatabase;
let app: FastifyInstance;
let caller: CallContext;

beforeAll(async () => {
  database = await openTestDatabase({ migrations: [plannerMigrations] });
  app = Fastify();
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    request.call = caller;
  });
  app.setErrorHandler((error, _, reply) => {
    if (!isPortolanError(error)) return reply.code(500).send({ code: "not ours", detail: String(error) });
    const catalogue: ErrorCatalogue = { ...plannerErrors, ...charterErrors };
    const problem = toProblem(error, catalogue);
    return reply.code(problem.status).send(problem);
  });
  await registerPlannerRoutes(app, {
    uow: database.uow,
    authorizer: testAuthorizer({ planner: ["plan:create", "plan:read"] }),
    clock: database.clock,
    charters: {
      read: async (_, charterId) => {
        if (charterId !== submitted.charterId) throw new PortolanError("kernel.not_found");
        return submitted;
      },
    },
    prices: readShippedPrices(),
    // No use case is registered yet.
    places: { find: async () => undefined },
  });
  await app.ready();
  caller = aCall({ roles: ["planner"] });
});
afterAll(async () => {
  await app.close();
  await database.close();
});

interface Kept {
  id: string;
  charterDigest: string;
  planDigest: string;
  plan: { useCase: string; gaps: { what: string }[]; production: { infrastructure: { expected: string } } };
}

async function plan(payload: object) {
  return app.inject({ method: "POST", url: "/v1/plans", payload });
}

test("a plan is kept with the charter it was made of, and its making is on the ledger", async () => {
  const made = await plan({ source, file: "charter.yaml" });
  expect(made.statusCode, made.body).toBe(201);
  const kept = made.json<Kept>();
  expect(kept.charterDigest).toBe(digest);
  expect((await app.inject(`/v1/plans/${kept.id}`)).json()).toEqual(kept);
  const text = await app.inject(`/v1/plans/${kept.id}?format=text`);
  expect(text.headers["content-type"]).toContain("text/plain");
  expect(text.body).toContain("Plan for flight-delays");
  const rows = await database.sql
    .withTables<{ "ledger.rows": { event: string; subject: string } }>()
    .selectFrom("ledger.rows")
    .select("event")
    .where("subject", "=", kept.id)
    .execute();
  expect(rows).toEqual([{ event: "planner.plan.made" }]);
});

test("who has signed is the server's knowledge", async () => {
  const signed = (await plan({ charterId: "cht_1" })).json<Kept>();
  const missing = signed.plan.gaps.filter((gap) => gap.what.includes("has not signed"));
  expect(missing.map((gap) => gap.what.split(" ")[0])).toEqual(["approver_risk"]);
});

test("measurements and own prices enter the plan", async () => {
  const prices = `records:
  - { id: our-cores, resource: cpu_core_hour, placements: [local, on_prem, cloud, edge], price: "0", currency: USD, region: any, provider: self, asOf: 2026-01-01, validFor: 365d, source: own books, confidence: own }`;
  const cost = async (extra: object) =>
    (await plan({ source, ...extra })).json<Kept>().plan.production.infrastructure.expected;
  const plain = await cost({});
  expect(await cost({ prices })).not.toBe(plain);
  expect(await cost({ measurements: { cpuMsPerPrediction: 1 } })).not.toBe(plain);
  expect(await cost({ assume: ["planned-utilisation=0.1"] })).not.toBe(plain);
});

test.each([
  ["no charter", {}, 400, "kernel.bad_request"],
  ["two charters", { source, charterId: "cht_1" }, 400, "kernel.bad_request"],
  ["a broken charter", { source: source.replace("50ms", "50") }, 422, "charter.not_valid"],
  ["an unknown charter", { charterId: "cht_2" }, 404, "kernel.not_found"],
  ["a broken price file", { source, prices: "records: [" }, 422, "planner.price_book_not_valid"],
  ["an unknown assumption", { source, assume: ["modle-bytes=1"] }, 422, "planner.assumption_not_valid"],
])("%s is refused", async (_, payload, status, code) => {
  const reply = await plan(payload);
  expect(reply.statusCode).toBe(status);
  expect(reply.json()).toMatchObject({ code });
});

test("a plan of another organisation answers like one that does not exist", async () => {
  const { id } = (await plan({ source })).json<Kept>();
  const own = caller;
  caller = aCall({ roles: ["planner"], organisationId: newId("organisation", systemClock.now()) });
  const foreign = await app.inject(`/v1/plans/${id}`);
  caller = own;
  const missing = await app.inject("/v1/plans/pln_00000000000000000000000000");
  expect(foreign.statusCode).toBe(404);
  expect(foreign.body).toBe(missing.body);
});
