import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { publicRoute } from "@portolan/http-contract";
import { asEpochMicros, keyCounts, newId } from "@portolan/kernel";
import Fastify from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createDevelopmentIssuer,
  createFileKeyRing,
  grantsForSnapshot,
  possessionStatement,
  registerAuthentication,
} from "../src/index.ts";
import { createTokenVerifier, decideAtGateway, verifyApiKey } from "../src/policy.ts";
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
    await require("data:read", { useCaseId: "cards", environment: "staging" });
    await expect(
      require("data:read", { useCaseId: "cards", environment: "production" }),
    ).rejects.toMatchObject({ code: "kernel.not_found" });
    await expect(require("data:read", {})).rejects.toMatchObject({ code: "kernel.not_found" });
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

describe("API keys", () => {
  const create = (payload: object, credential = admin) =>
    one.call("POST", "/v1/api-keys", credential, { name: "key", environment: "dev", ...payload });

  test("the text is shown once and stored only as a hash", async () => {
    const answer = await create({ principal: "shop", scopes: ["serving:predict"] });
    const { text, apiKey } = answer.body as unknown as { text: string; apiKey: { id: string } };
    expect(answer.headers["cache-control"]).toBe("no-store");
    const secret = text.slice(-43);
    const dump = JSON.stringify([
      await one.database.database.session((session) => session.query("select * from identity.api_keys")),
      await one.database.database.session((session) =>
        session.query("select convert_from(payload, 'UTF8') from ledger.rows"),
      ),
      (await one.call("GET", "/v1/api-keys", admin)).body,
    ]);
    expect(dump).toContain(apiKey.id);
    expect(dump).not.toContain(secret);
    expect(dump).toContain(createHash("sha256").update(secret).digest("hex"));
  });
  test("scopes narrow, and a scoped credential issues nothing wider", async () => {
    const { text } = (await create({ scopes: ["identity:read", "identity:whoami", "identity:issue_key"] }))
      .body as unknown as { text: string };
    expect((await one.call("GET", "/v1/whoami", text)).status).toBe(200);
    expect((await one.call("GET", "/v1/teams", text)).status).toBe(200);
    expect(
      (await one.call("POST", "/v1/teams", text, { name: "x", displayName: "X", businessUnit: "retail" }))
        .status,
    ).toBe(403);
    expect((await create({}, text)).status).toBe(422);
    expect((await create({ scopes: ["identity:manage"] }, text)).status).toBe(422);
    expect((await create({ scopes: ["identity:read"] }, text)).status).toBe(201);
    expect((await create({ scopes: ["nonsense"] })).status).toBe(422);
  });
  test("a dev credential issues no production key", async () => {
    const dev = (await one.token("ada", ["dev"])).token;
    expect((await create({ environment: "production" }, dev)).status).toBe(403);
    expect((await create({ environment: "dev" }, dev)).status).toBe(201);
  });
  test("a revoked key ends at once, an expired one at its instant", async () => {
    const { text, apiKey } = (await create({ expiresInDays: 1 })).body as unknown as {
      text: string;
      apiKey: { id: string };
    };
    const other = (await create({ expiresInDays: 1 })).body as unknown as { text: string };
    expect((await one.call("GET", "/v1/whoami", text)).status).toBe(200);
    expect(
      (await one.call("POST", `/v1/api-keys/${apiKey.id}/revoke`, admin, { reason: "leaked" })).status,
    ).toBe(200);
    expect((await one.call("GET", "/v1/whoami", text)).status).toBe(401);
    const start = one.clock.now();
    one.clock.set(asEpochMicros(start + 86_400_000_000));
    expect((await one.call("GET", "/v1/whoami", other.text)).status).toBe(401);
    one.clock.set(start);
  });
});

describe("signing keys", () => {
  const pair = generateKeyPairSync("ed25519");
  const pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  const proof = (holder: string, signedAt: number, key = pair) => {
    const publicKeyPem = key.publicKey.export({ type: "spki", format: "pem" }).toString();
    const statement = possessionStatement(holder, publicKeyPem, signedAt);
    return { publicKeyPem, signedAt, signature: sign(null, statement, key.privateKey).toString("base64") };
  };

  test("a charter key needs fresh proof of possession by its holder", async () => {
    const { token } = await one.token("sam");
    const register = async (payload: object) =>
      (await one.call("POST", "/v1/signing-keys", token, payload)).status;
    const now = one.clock.now();
    expect(await register(proof(ids.adaId, now))).toBe(422);
    expect(
      await register({
        ...proof(ids.sam, now),
        publicKeyPem: proof(ids.sam, now, generateKeyPairSync("ed25519")).publicKeyPem,
      }),
    ).toBe(422);
    expect(await register(proof(ids.sam, now - 301_000_000))).toBe(422);
    expect(await register(proof(ids.sam, now))).toBe(201);
    expect(await register(proof(ids.sam, now))).toBe(422);
    const { body } = await one.call("GET", "/v1/signing-keys", token);
    expect(body.items.filter((key: { holder?: string }) => key.holder === ids.sam)).toMatchObject([
      { publicKeyPem: pem, purpose: "charter" },
    ]);
  });
  test("a second key retires the first, which still verifies what it signed", async () => {
    const { token } = await one.token("sam");
    const signedAt = one.clock.now();
    one.clock.advance(1_000_000);
    expect(
      (
        await one.call(
          "POST",
          "/v1/signing-keys",
          token,
          proof(ids.sam, one.clock.now(), generateKeyPairSync("ed25519")),
        )
      ).status,
    ).toBe(201);
    const { body } = await one.call("GET", "/v1/signing-keys", token);
    const first = body.items.find(
      (key: { publicKeyPem: string }) => key.publicKeyPem === pem,
    ) as unknown as Parameters<typeof keyCounts>[0];
    expect([keyCounts(first, signedAt), keyCounts(first, one.clock.now())]).toEqual([true, false]);
  });
  test("rotating a platform key keeps old signatures and refuses new ones; tokens go on verifying", async () => {
    const old = await one.keyRing.current("token");
    const earlier = (await one.token("ada")).token;
    one.clock.advance(1_000_000);
    expect((await one.call("POST", "/v1/signing-keys/rotate/token", admin)).status).toBe(200);
    const next = await one.keyRing.current("token");
    expect(next.id).not.toBe(old.id);
    await expect(one.keyRing.sign(old.id, new Uint8Array(1))).rejects.toMatchObject({
      code: "identity.key_not_usable",
    });
    one.clock.advance(6_000_000);
    expect((await one.call("GET", "/v1/whoami", (await one.token("ada")).token)).status).toBe(200);
    expect((await one.call("GET", "/v1/whoami", earlier)).status).toBe(200);
  });
  test("a revoked token key ends the tokens it signed", async () => {
    const { token } = await one.token("sam");
    expect((await one.call("GET", "/v1/whoami", token)).status).toBe(200);
    const key = await one.keyRing.current("token");
    const answer = await one.call("POST", `/v1/signing-keys/${key.id}/revoke`, admin, { reason: "leaked" });
    expect(answer.status).toBe(200);
    one.clock.advance(6_000_000);
    expect((await one.call("GET", "/v1/whoami", token)).status).toBe(401);
    admin = (await one.token("ada")).token;
    expect((await one.call("GET", "/v1/whoami", admin)).status).toBe(200);
  });
  test("keys survive a restart, are made once under concurrency, and a lost file is named", async () => {
    const open = (directory: string) =>
      createFileKeyRing({ directory, unitOfWork: one.database.uow, clock: one.clock });
    const ring = open(join(one.home, "keys"));
    const many = await Promise.all(Array.from({ length: 8 }, () => ring.current("model")));
    expect(new Set(many.map(({ id }) => id)).size).toBe(1);
    expect(many[0]?.algorithm).toBe("ecdsa-p256");
    const again = open(join(one.home, "keys"));
    expect((await again.current("model")).id).toBe(many[0]?.id);
    expect((await again.sign(many[0]?.id ?? "", new Uint8Array(3))).length).toBeGreaterThan(60);
    await expect(
      open(join(one.home, "elsewhere")).sign(many[0]?.id ?? "", new Uint8Array(3)),
    ).rejects.toMatchObject({ code: "identity.key_file_missing" });
  });
});

describe("grants for a gateway's snapshot", () => {
  const endpoint = { endpoint: "cards-fraud", environment: "staging", useCaseId: "cards" } as const;
  const grantsNow = async () => {
    const verdict = await one.authenticator.authenticate(admin);
    if (verdict.kind !== "authenticated") throw new Error("not authenticated");
    const call = { actor: verdict.actor, requestId: newId("request", one.clock.now()) };
    return grantsForSnapshot(
      { unitOfWork: one.database.uow, developmentIssuer: one.developmentIssuer },
      call,
      "staging",
      [endpoint],
    );
  };

  test("the gateway decides alone as the policy set would", async () => {
    const grants = JSON.parse(JSON.stringify(await grantsNow())) as Awaited<ReturnType<typeof grantsNow>>;
    expect(grants.endpoints).toEqual([
      {
        endpoint: "cards-fraud",
        environment: "staging",
        principals: [ids.adaId, ids.sam, ids.app].toSorted(),
      },
    ]);
    const decide = (
      principalId: string,
      name = "cards-fraud",
      environment: "staging" | "production" = "staging",
    ) => decideAtGateway(grants, { principalId, environments: [environment] }, name, environment);
    expect(decide(ids.app)).toEqual({ allowed: true });
    expect(decide(ids.ci)).toEqual({ allowed: false, reason: "no_grant" });
    expect(decide(ids.app, "other")).toEqual({ allowed: false, reason: "unknown_endpoint" });
    expect(decide(ids.app, "cards-fraud", "production")).toEqual({ allowed: false, reason: "environment" });
    expect(
      decideAtGateway(
        grants,
        { principalId: ids.app, environments: ["staging"], scopes: ["outcomes:write"] },
        "cards-fraud",
        "staging",
      ),
    ).toEqual({ allowed: false, reason: "scope" });
  });
  test("tokens and API keys verify from the snapshot alone, and a revocation raises the epoch", async () => {
    const made = (
      await one.call("POST", "/v1/api-keys", admin, { principal: "shop", name: "k", environment: "staging" })
    ).body as unknown as { text: string; apiKey: { id: string } };
    const grants = await grantsNow();
    const check = (data: typeof grants) =>
      verifyApiKey(made.text, (id) => data.apiKeys.find((key) => key.id === id), one.clock.now());
    expect(check(grants)).toMatchObject({ kind: "verified", principalId: ids.app });
    const verifier = createTokenVerifier({ issuers: () => grants.issuers, clock: one.clock });
    expect(await verifier.verify((await one.token("shop", ["staging"])).token)).toMatchObject({
      kind: "verified",
      token: { subject: ids.app, environments: ["staging"] },
    });
    await one.call("POST", `/v1/api-keys/${made.apiKey.id}/revoke`, admin, { reason: "rotated" });
    const later = await grantsNow();
    expect(later.revocationEpoch).toBeGreaterThan(grants.revocationEpoch);
    expect(check(later)).toEqual({ kind: "refused", reason: "unknown" });
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
    "api_key.created",
    "api_key.revoked",
    "charter_key.registered",
    "signing_key.created",
    "signing_key.rotated",
    "signing_key.revoked",
    "policies.replaced",
    "principal.disabled",
    "token.issued",
  ]) {
    expect(events).toContain(`identity.${event}`);
  }
});
