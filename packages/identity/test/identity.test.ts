import { stat } from "node:fs/promises";
import { join } from "node:path";
import { publicRoute } from "@portolan/http-contract";
import { newId } from "@portolan/kernel";
import Fastify from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDevelopmentIssuer, createDirectoryLookups, registerAuthentication } from "../src/index.ts";
import { askTwice } from "./ask-twice.ts";
import { bootstrapped, type Installation, openInstallation } from "./installation.ts";

let one: Installation;
let admin: string;
let ids: Record<"adaId" | "org" | "team" | "useCase" | "sam" | "app" | "ci", string>;

async function created(url: string, payload: object, credential = admin): Promise<string> {
  const { status, body } = await one.call("POST", url, credential, payload);
  expect([url, status, body]).toEqual([url, 201, body]);
  return (body as unknown as { id: string }).id;
}

beforeAll(async () => {
  one = await openInstallation();
  expect((await bootstrapped(one)).statusCode).toBe(201);
  const first = await one.token("ada");
  admin = first.token;
  const org = (await one.call("GET", "/v1/whoami", admin)).body as unknown as { organisationId: string };
  await created("/v1/business-units", { name: "retail", displayName: "Retail" });
  const team = await created("/v1/teams", { name: "fraud", displayName: "Fraud", businessUnit: "retail" });
  const useCase = await created("/v1/use-cases", { name: "cards", displayName: "Cards", team: "fraud" });
  const sam = await created("/v1/users", { name: "sam", displayName: "Sam" });
  const app = await created("/v1/service-accounts", { name: "shop", displayName: "Shop" });
  const ci = await created("/v1/service-accounts", { name: "pipeline", displayName: "Pipeline" });
  ids = { adaId: first.principalId, org: org.organisationId, team, useCase, sam, app, ci };
  for (const [principal, role] of [
    ["sam", "data_scientist"],
    ["shop", "application"],
  ] as const) {
    await created("/v1/role-bindings", {
      principal,
      role,
      scope: { kind: "team", id: "fraud" },
      environments: ["dev", "staging"],
    });
  }
});

afterAll(async () => {
  await one.close();
});

describe("bootstrap", () => {
  test("happens once, and only with the local secret", async () => {
    expect((await bootstrapped(one)).json()).toMatchObject({ code: "identity.already_bootstrapped" });
    const wrong = await one.app.inject({
      method: "POST",
      url: "/v1/bootstrap",
      payload: {
        secret: "x",
        organisation: { name: "b", displayName: "B" },
        administrator: { name: "c", displayName: "C" },
      },
    });
    expect([wrong.statusCode, wrong.json<{ code: string }>().code]).toEqual([
      401,
      "identity.unauthenticated",
    ]);
  });
  test("secrets and private keys are files for the owner alone", async () => {
    const key = await one.keyRing.current("token");
    for (const name of ["local-credential", `keys/${key.id}.pem`]) {
      expect((await stat(join(one.home, name))).mode & 0o777).toBe(0o600);
    }
  });
});

describe("authentication", () => {
  test.each([
    ["nothing", {}],
    ["another scheme", { authorization: "Basic YWRhOmFkYQ==" }],
    ["a made-up token", { authorization: "Bearer a.b.c" }],
    ["a made-up key", { authorization: `Bearer ptk_dev_${"0".repeat(26)}_${"A".repeat(43)}` }],
    ["two credentials", { authorization: "Bearer a.b.c, Bearer d.e.f" }],
  ])("%s gets the same 401", async (_what, headers) => {
    const before = one.denials.length;
    const answer = await one.app.inject({ method: "GET", url: "/v1/whoami", headers });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.headers["www-authenticate"]).toBe('Bearer realm="portolan"');
    expect(answer.json()).toMatchObject({
      code: "identity.unauthenticated",
      detail: "the request carries no credential that is accepted here",
    });
    expect(one.denials.slice(before)).toMatchObject([{ kind: "unauthenticated", action: "identity:whoami" }]);
  });
  test("a token of another audience, or of an issuer with other keys, is refused", async () => {
    const stranger = createDevelopmentIssuer({
      ...one.issuer,
      issuer: "http://stranger.example",
      enabled: true,
    });
    const { token } = await stranger.issue({
      secret: one.secret as never,
      principal: "ada",
      environments: ["dev"],
    });
    expect((await one.call("GET", "/v1/whoami", token)).status).toBe(401);
  });
  test("a request id of ours is taken over, any other text is replaced", async () => {
    const own = newId("request", one.clock.now());
    const ask = async (given: string) =>
      (
        await one.app.inject({
          method: "GET",
          url: "/v1/whoami",
          headers: { authorization: `Bearer ${admin}`, "x-request-id": given },
        })
      ).headers["x-request-id"];
    expect(await ask(own)).toBe(own);
    expect(await ask("'; drop table ledger.rows; --")).toMatch(/^req_[0-9a-z]{26}$/);
  });
  test("only a service account with the right acts for somebody else", async () => {
    const ask = async (credential: string) =>
      (
        await one.app.inject({
          method: "GET",
          url: "/v1/whoami",
          headers: { authorization: `Bearer ${credential}`, "x-portolan-on-behalf-of": ids.sam },
        })
      ).statusCode;
    await created("/v1/service-accounts", { name: "edge", displayName: "Edge" });
    const unbound = (await one.token("edge")).token;
    expect([await ask(admin), await ask(unbound)]).toEqual([403, 403]);
    await created("/v1/role-bindings", {
      principal: "edge",
      role: "gateway",
      scope: { kind: "organisation", id: ids.org },
      environments: ["dev"],
    });
    expect(await ask(unbound)).toBe(200);
  });
  test("whoever names two for whom they act is refused: joined they would read like one", async () => {
    const { token } = await one.token("edge");
    const refused = await askTwice(one.app, token, ["usr_one", "usr_two"]);
    expect(refused).toEqual({ status: 400, detail: "header x-portolan-on-behalf-of is sent more than once" });
    expect(await askTwice(one.app, token, ["usr_one, the first"])).toMatchObject({ status: 200 });
  });
  test("a route without a declared action, or with an unknown one, does not start", () => {
    const app = Fastify();
    registerAuthentication(app, { ...one, onDenied: () => undefined });
    expect(() => app.get("/v1/open-by-mistake", () => "x")).toThrow("identity.bad_route");
    expect(() =>
      app.get("/v1/typo", { config: { action: "registry:raed", ledger: "read" } }, () => "x"),
    ).toThrow("identity.bad_route");
    expect(() => app.get("/healthz", { config: publicRoute }, () => "x")).not.toThrow();
  });
  test("a disabled principal's token and key end at once", async () => {
    const id = await created("/v1/users", { name: "leaver", displayName: "Leaver" });
    const { token } = await one.token("leaver");
    const key = (await one.call("POST", "/v1/api-keys", token, { name: "k", environment: "dev" }))
      .body as unknown as { text: string };
    expect((await one.call("GET", "/v1/whoami", key.text)).status).toBe(200);
    expect((await one.call("POST", `/v1/users/${id}/disable`, admin, { reason: "left" })).status).toBe(204);
    expect((await one.call("GET", "/v1/whoami", token)).status).toBe(401);
    expect((await one.call("GET", "/v1/whoami", key.text)).status).toBe(401);
  });
  test("work goes on in the name of who is active, until the key is revoked or the principal disabled", async () => {
    const directory = createDirectoryLookups(one.database.uow);
    const actorOf = async (credential: string) => {
      const found = await one.authenticator.authenticate(credential);
      if (found.kind !== "authenticated") throw new Error(found.reason);
      return found.actor;
    };
    const id = await created("/v1/users", { name: "worker", displayName: "Worker" });
    const { token } = await one.token("worker");
    const key = (await one.call("POST", "/v1/api-keys", token, { name: "k", environment: "dev" }))
      .body as unknown as { text: string; apiKey: { id: string } };
    const [byToken, byKey] = [await actorOf(token), await actorOf(key.text)];
    expect([await directory.isActive(byToken), await directory.isActive(byKey)]).toEqual([true, true]);
    await one.call("POST", `/v1/api-keys/${key.apiKey.id}/revoke`, token, { reason: "lost" });
    expect([await directory.isActive(byToken), await directory.isActive(byKey)]).toEqual([true, false]);
    expect((await one.call("POST", `/v1/users/${id}/disable`, admin, { reason: "left" })).status).toBe(204);
    expect(await directory.isActive(byToken)).toBe(false);
  });
});

describe("authorization", () => {
  test("a team member changes nothing in the directory", async () => {
    const { token } = await one.token("sam");
    const answer = await one.call("POST", "/v1/teams", token, {
      name: "mine",
      displayName: "Mine",
      businessUnit: "retail",
    });
    expect([answer.status, (answer.body as { code?: string }).code]).toEqual([403, "identity.forbidden"]);
    expect(one.denials.at(-1)).toMatchObject({ kind: "forbidden", principalId: ids.sam });
  });
  test("what may not be seen answers exactly as what does not exist", async () => {
    const other = await one.call("POST", "/v1/organisations", admin, {
      name: "rival",
      displayName: "Rival",
      administrator: { name: "eve", displayName: "Eve" },
    });
    expect(other.status).toBe(201);
    const eve = (await one.token("eve", undefined, { organisation: "rival" })).token;
    const foreignKey = (await one.call("POST", "/v1/api-keys", admin, { name: "k", environment: "dev" }))
      .body as unknown as { apiKey: { id: string } };
    const paths = [foreignKey.apiKey.id, newId("apiKey", one.clock.now())].map(
      (id) => `/v1/api-keys/${id}/revoke`,
    );
    const answers = [];
    for (const path of paths) {
      const { status, body } = await one.call("POST", path, eve, { reason: "mine now" });
      const { instance: _request, ...rest } = body as Record<string, unknown>;
      answers.push({ status, rest });
    }
    expect(answers[0]?.status).toBe(404);
    expect(answers[0]).toEqual(answers[1]);
  });
  test("a resource of one's own organisation that may not be seen is the same 404 too", async () => {
    const { token } = await one.token("sam");
    const verdict = await one.authenticator.authenticate(token);
    if (verdict.kind !== "authenticated") throw new Error("not authenticated");
    const call = { actor: verdict.actor, requestId: newId("request", one.clock.now()) };
    const dataset = { type: "Dataset", id: "ds_1", organisationId: verdict.actor.organisationId };
    const require = (action: string, more: object) =>
      one.authorizer.require(call, action, { ...dataset, ...more });
    await require("data:read_dataset", { useCaseId: "cards", environment: "staging" });
    await expect(
      require("data:read_dataset", { useCaseId: "cards", environment: "production" }),
    ).rejects.toMatchObject({ code: "kernel.not_found" });
    await expect(require("data:read_dataset", {})).rejects.toMatchObject({ code: "kernel.not_found" });
    await expect(
      require("registry:push_version", { useCaseId: "cards", environment: "dev" }),
    ).rejects.toMatchObject({ code: "identity.forbidden" });
    expect(await one.authorizer.rolesAt(call, { ...dataset, useCaseId: ids.useCase })).toEqual([
      "data_scientist",
    ]);
  });
  test("an organisation's own policy narrows at once, and a broken one is refused with its place", async () => {
    const put = (text: string) =>
      one.call("PUT", "/v1/policies", admin, { files: [{ name: "own.cedar", text }] });
    const broken = await put("permit (principal, action, resource)");
    expect([broken.status, (broken.body as { code?: string }).code]).toEqual([422, "identity.bad_policy"]);
    const rule =
      '@id("no-new-units") @description("Units are frozen.") forbid (principal, action == Portolan::Action::"identity:manage", resource is Portolan::BusinessUnit);';
    expect((await put(rule)).body).toMatchObject({ version: 1 });
    expect((await put(rule)).body).toMatchObject({ version: 1 });
    const unit = { name: "frozen", displayName: "Frozen" };
    expect((await one.call("POST", "/v1/business-units", admin, unit)).status).toBe(403);
    expect((await one.call("PUT", "/v1/policies", admin, { files: [] })).body).toMatchObject({ version: 2 });
    expect((await one.call("POST", "/v1/business-units", admin, unit)).status).toBe(201);
  });
  test("giving a role anew is judged by the environments it takes away as by those it gives", async () => {
    const scope = { kind: "team", id: "fraud" } as const;
    const bind = (token: string, environments: readonly string[]) =>
      one.call("POST", "/v1/role-bindings", token, {
        principal: "nia",
        role: "data_scientist",
        scope,
        environments,
      });
    const held = async () => {
      const { body } = await one.call("GET", "/v1/role-bindings", admin);
      return (body.items as { principalId: string; environments: string[] }[])
        .filter(({ principalId }) => principalId === nia)
        .map(({ environments }) => environments);
    };
    await created("/v1/users", { name: "lee", displayName: "Lee" });
    const nia = await created("/v1/users", { name: "nia", displayName: "Nia" });
    const lead = { principal: "lee", role: "team_lead", scope, environments: ["dev", "staging"] };
    await created("/v1/role-bindings", lead);
    const lee = (await one.token("lee")).token;
    expect((await bind(admin, ["dev", "production"])).status).toBe(201);
    // The request names dev alone, where Lee may give the role; it would take production away, where Lee may not.
    expect((await bind(lee, ["dev"])).status).toBe(403);
    expect(await held()).toEqual([["dev", "production"]]);
    expect((await bind(admin, ["dev", "staging"])).status).toBe(201);
    expect((await bind(lee, ["dev", "production"])).status).toBe(403);
    expect((await bind(lee, ["dev"])).status).toBe(201);
    expect(await held()).toEqual([["dev"]]);
  });
  test("roles for machines are not given to people", async () => {
    const answer = await one.call("POST", "/v1/role-bindings", admin, {
      principal: "sam",
      role: "ci",
      scope: { kind: "team", id: "fraud" },
      environments: ["dev"],
    });
    expect((answer.body as { code?: string }).code).toBe("identity.bad_binding");
  });
});

test("every governed change wrote its ledger row in the name of who made it", async () => {
  const rows = await one.ledgerEvents();
  const events = new Set(rows.map(({ event }) => event));
  for (const event of [
    "organisation.created",
    "business_unit.created",
    "team.created",
    "use_case.created",
    "user.created",
    "service_account.created",
    "role.bound",
    "policies.replaced",
    "principal.disabled",
    "token.issued",
  ]) {
    expect(events).toContain(`identity.${event}`);
  }
});
