import { type CallContext, type Id, isPortolanError, PortolanError } from "@portolan/kernel";
import { ledgerErrors, registerLedgerRoutes, startSequencer } from "@portolan/ledger";
import { verifyExport } from "@portolan/ledger/policy";
import { decodeBundle, leafHash, splitHashes, toHex } from "@portolan/merkle";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

let db: TestDatabase;
let home: Awaited<ReturnType<typeof temporaryFolder>>;
let app: FastifyInstance;
let caller: CallContext = aCall({ roles: ["auditor"] });
const rows = 260;

/** Where a test's charter lets exports go. */
const exports = {
  require: async (_call: unknown, { region = "local" }: { readonly region?: string }) => {
    if (region !== "local") throw new PortolanError("charter.placement_refused", { detail: region });
  },
};

beforeAll(async () => {
  db = await openTestDatabase();
  home = await temporaryFolder();
  const keys = testKeyRing(db.clock);
  const sequencer = await startSequencer({
    sql: db.sql,
    clock: db.clock,
    keys,
    folder: home.path,
    lingerMs: 1,
  });
  for (let i = 0; i < rows; i++) {
    await db.uow.write(aCall({ id: i % 2 ? "usr_odd" : "usr_even" }), (tx) =>
      tx.record({ event: "test.thing.made", subject: `thing ${i}` }),
    );
  }
  await sequencer.settled();
  await sequencer.stop();
  const authorizer = testAuthorizer({ auditor: ["ledger:read", "ledger:export", "ledger:verify"] });
  app = Fastify();
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    request.call = caller;
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = isPortolanError(error) ? error.code : "kernel.internal";
    const spec = Object.entries(ledgerErrors).find(([code]) => code === known)?.[1];
    const status =
      spec?.status ?? (known === "kernel.not_found" ? 404 : known === "identity.forbidden" ? 403 : 400);
    return reply.code(status).send({ code: known });
  });
  await registerLedgerRoutes(app, {
    uow: db.uow,
    authorizer,
    keys,
    clock: db.clock,
    folder: home.path,
    exports,
  });
});
afterAll(async () => {
  await app.close();
  await db.close();
  await home[Symbol.asyncDispose]();
});

const get = (url: string) => app.inject({ method: "GET", url });

test("search filters, pages without gaps or repeats, and ends", async () => {
  const seen: string[] = [];
  let page = "";
  for (let turn = 0; turn < 20; turn++) {
    const body = (await get(`/v1/ledger/entries?actor=usr_odd&limit=30${page}`)).json();
    seen.push(...body.entries.map((entry: { subject: string }) => entry.subject));
    if (body.nextPage === undefined) break;
    page = `&page=${encodeURIComponent(body.nextPage)}`;
  }
  expect(seen).toHaveLength(rows / 2);
  expect(new Set(seen).size).toBe(rows / 2);
  expect((await get("/v1/ledger/entries?page=nonsense")).json()).toEqual({ code: "ledger.bad_query" });
});

test("tiles, bundles and checkpoint are served as C2SP has them, narrower partials included", async () => {
  const base = `/v1/ledger/${testOrganisation}`;
  expect((await get(`${base}/checkpoint`)).body).toMatch(`portolan/${testOrganisation}\n${rows}\n`);
  const tile = splitHashes((await get(`${base}/tile/0/000`)).rawPayload);
  const entries = decodeBundle((await get(`${base}/tile/entries/000`)).rawPayload);
  expect(entries.map((entry) => toHex(leafHash(entry)))).toEqual(tile.map(toHex));
  expect((await get(`${base}/tile/0/001.p/4`)).rawPayload).toHaveLength(4 * 32);
  expect((await get(`${base}/tile/0/001.p/2`)).rawPayload).toHaveLength(2 * 32);
  expect((await get(`${base}/tile/1/000.p/1`)).rawPayload).toHaveLength(32);
  for (const missing of [
    "tile/0/001.p/5",
    "tile/0/001",
    "tile/0/002",
    "tile/2/000",
    "tile/0/../checkpoint",
  ]) {
    expect((await get(`${base}/${missing}`)).statusCode).toBe(404);
  }
});

test("the exported stream verifies offline; verify answers the same and is on the ledger itself", async () => {
  expect((await get("/v1/ledger/export?region=elsewhere")).body).toContain("charter.placement_refused");
  const response = await get("/v1/ledger/export");
  expect(await verifyExport(response.body.split("\n"))).toMatchObject({ verified: true, provedRows: rows });
  const verified = await app.inject({ method: "POST", url: "/v1/ledger/verify", payload: {} });
  expect(verified.json()).toMatchObject({ verified: true, provedRows: rows });
  const found = (await get("/v1/ledger/entries?event=ledger.log.verified")).json();
  expect(found.entries).toMatchObject([{ index: null, detail: { verified: true } }]);
});

test("proof, receipt and consistency answer; sizes beyond the log are refused", async () => {
  const [entry] = (await get("/v1/ledger/entries?subject=thing%2017")).json().entries;
  expect((await get(`/v1/ledger/entries/${entry.id}/proof`)).json()).toMatchObject({
    v: 1,
    row: { id: entry.id },
  });
  expect((await get(`/v1/ledger/entries/${entry.id}/receipt`)).json().receipt).toContain(entry.id);
  expect((await get(`/v1/ledger/consistency?from=100`)).json().to).toBe(rows);
  expect((await get(`/v1/ledger/consistency?from=100&to=9999`)).json()).toEqual({ code: "ledger.bad_size" });
  expect((await get("/v1/ledger/entries/led_0/proof")).json()).toEqual({ code: "ledger.row_not_found" });
});

test("without the grant nothing is readable, and another organisation's log does not exist", async () => {
  const auditor = caller;
  try {
    caller = aCall({ roles: ["data_scientist"] });
    const paths = [
      "entries",
      "export",
      "consistency?from=0",
      `${testOrganisation}/checkpoint`,
      `${testOrganisation}/tile/0/000`,
    ];
    for (const path of paths) expect((await get(`/v1/ledger/${path}`)).statusCode, path).toBe(403);
    expect((await app.inject({ method: "POST", url: "/v1/ledger/verify", payload: {} })).statusCode).toBe(
      403,
    );
    caller = aCall({
      roles: ["auditor"],
      organisationId: "org_11111111111111111111111111" as Id<"organisation">,
    });
    expect((await get(`/v1/ledger/${testOrganisation}/checkpoint`)).statusCode).toBe(404);
    expect((await get(`/v1/ledger/${testOrganisation}/tile/0/000`)).statusCode).toBe(404);
    expect((await get("/v1/ledger/entries")).json()).toEqual({ entries: [] });
  } finally {
    caller = auditor;
  }
});
