import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { join } from "node:path";
import { asEpochMicros, keyCounts, newId } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createDecisionMemory,
  createFileKeyRing,
  grantsForSnapshot,
  possessionStatement,
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
  test("nobody issues a key that acts as another person, and no admin either; anybody's key can be revoked", async () => {
    expect((await create({ principal: "sam" })).status).toBe(403);
    expect((await create({ principal: "nobody-there" })).status).toBe(403);
    expect((await create({ principal: "shop" })).status).toBe(201);
    const { token } = await one.token("sam");
    const own = (await create({}, token)).body as unknown as { text: string; apiKey: { id: string } };
    const revoked = await one.call("POST", `/v1/api-keys/${own.apiKey.id}/revoke`, admin, { reason: "left" });
    expect(revoked.status).toBe(200);
    expect((await one.call("GET", "/v1/whoami", own.text)).status).toBe(401);
  });
  test("a gateway's key finds itself, issues its successor, and nothing beyond its own account", async () => {
    const id = await created("/v1/service-accounts", { name: "gateway", displayName: "Gateway" });
    const scope = { kind: "organisation", id: ids.org };
    await created("/v1/role-bindings", { principal: id, role: "gateway", scope, environments: ["dev"] });
    const first = (await create({ principal: id, expiresInDays: 30 })).body as unknown as {
      text: string;
      apiKey: { id: string };
    };
    const { items } = (await one.call("GET", "/v1/api-keys", first.text)).body as unknown as {
      items: { id: string; createdAt: number; expiresAt: number }[];
    };
    expect(items.map((item) => item.id)).toEqual([first.apiKey.id]);
    const life = (items[0]?.expiresAt ?? 0) - (items[0]?.createdAt ?? 0);
    expect(life).toBe(30 * 86_400_000_000);
    const second = (await create({ expiresInDays: 30 }, first.text)).body as unknown as { text: string };
    for (const text of [first.text, second.text])
      expect((await one.call("GET", "/v1/whoami", text)).body).toMatchObject({ id });
    expect((await create({ principal: "shop" }, first.text)).status).not.toBe(201);
    expect((await create({ environment: "production" }, first.text)).status).not.toBe(201);
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

  test("a charter key is registered with a fresh token of its holder, never with an API key", async () => {
    const { token } = await one.token("sam", undefined, { lifetimeSeconds: 7200 });
    const key = (await one.call("POST", "/v1/api-keys", token, { name: "k", environment: "production" }))
      .body as unknown as { text: string };
    const register = async (credential: string) =>
      (await one.call("POST", "/v1/signing-keys", credential, proof(ids.sam, one.clock.now()))).body as {
        code?: string;
      };
    expect((await register(key.text)).code).toBe("identity.fresh_token_required");
    expect(one.denials.at(-1)).toMatchObject({ kind: "forbidden", principalId: ids.sam });
    const start = one.clock.now();
    one.clock.set(asEpochMicros(start + 901_000_000));
    expect((await register(token)).code).toBe("identity.fresh_token_required");
    one.clock.set(start);
    const dev = (await one.token("sam", ["dev"])).token;
    expect((await register(dev)).code).toBe("identity.forbidden");
  });
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
  test("an admin of another organisation neither rotates nor revokes keys of the installation", async () => {
    const rival = { name: "rival", displayName: "Rival", administrator: { name: "eve", displayName: "Eve" } };
    expect((await one.call("POST", "/v1/organisations", admin, rival)).status).toBe(201);
    const eve = (await one.token("eve", undefined, { organisation: "rival" })).token;
    const before = await Promise.all(
      (["token", "model"] as const).map((purpose) => one.keyRing.current(purpose)),
    );
    for (const { id, purpose } of before) {
      const rotated = await one.call("POST", `/v1/signing-keys/rotate/${purpose}`, eve);
      const revoked = await one.call("POST", `/v1/signing-keys/${id}/revoke`, eve, { reason: "mine now" });
      expect([purpose, rotated.status, revoked.status]).toEqual([purpose, 403, 403]);
      expect(await one.keyRing.find(id)).toEqual(before.find((key) => key.id === id));
    }
    const another = { ...rival, name: "rival-two" };
    expect((await one.call("POST", "/v1/organisations", eve, another)).status).toBe(403);
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
  const decisions = createDecisionMemory();
  const grantsNow = async (memory = decisions, hasFeatures = false) => {
    const verdict = await one.authenticator.authenticate(admin);
    if (verdict.kind !== "authenticated") throw new Error("not authenticated");
    const call = { actor: verdict.actor, requestId: newId("request", one.clock.now()) };
    const [staging, dev] = await grantsForSnapshot(
      { unitOfWork: one.database.uow, developmentIssuer: one.developmentIssuer, decisions: memory },
      call,
      ["staging", "dev"],
      [{ ...endpoint, hasFeatures }],
    );
    if (staging === undefined) throw new Error("there are none");
    expect(dev, "what is granted in another environment").toMatchObject({
      environment: "dev",
      endpoints: [],
    });
    return staging;
  };

  test("the gateway decides alone as the policy set would", async () => {
    const grants = JSON.parse(JSON.stringify(await grantsNow())) as Awaited<ReturnType<typeof grantsNow>>;
    expect(grants.endpoints).toEqual([
      {
        endpoint: "cards-fraud",
        environment: "staging",
        principals: [ids.adaId, ids.sam, ids.app].toSorted(),
        // Of these, the one service account; people speak for themselves.
        actors: [ids.app],
      },
    ]);
    // The service account's one role lies in a unit; the administrator's is the whole organisation's.
    const homes = new Map(grants.principals.map(({ id, businessUnitId }) => [id, businessUnitId]));
    expect(homes.get(ids.app)).toMatch(/^bu_/);
    expect(homes.get(ids.adaId)).toBeUndefined();
    const app = grants.principals.find(({ id }) => id === ids.app);
    expect(app?.roles).toEqual(["application"]);
    expect(app?.groups).toEqual([expect.stringMatching(/^(uc|team|bu)_/)]);
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

  test("features of an endpoint are read by those alone whom a policy names, and by the administrator", async () => {
    const grants = await grantsNow(createDecisionMemory(), true);
    expect(grants.endpoints[0]?.readers).toEqual([ids.adaId]);
    expect((await grantsNow()).endpoints[0]).not.toHaveProperty("readers");
  });

  test("what does not change is not decided again, and what changes is decided for those it concerns", async () => {
    const memory = createDecisionMemory();
    const first = await grantsNow(memory);
    const once = memory.asked;
    expect(once).toBeGreaterThan(3);
    expect(await grantsNow(memory)).toEqual(first);
    expect(memory.asked).toBe(once);
    // A new role: its holder alone is asked about, once for predictions and once for acting for others.
    const binding = await created("/v1/role-bindings", {
      principal: "pipeline",
      role: "application",
      scope: { kind: "team", id: "fraud" },
      environments: ["staging"],
    });
    const widened = await grantsNow(memory);
    expect(memory.asked).toBe(once + 2);
    expect(widened.endpoints[0]?.principals).toContain(ids.ci);
    expect((await one.call("DELETE", `/v1/role-bindings/${binding}`, admin)).status).toBe(204);
    expect((await grantsNow(memory)).endpoints).toEqual(first.endpoints);
    // Other policies: everybody is asked about, and what they forbid is in the next snapshot.
    const asked = memory.asked;
    const text =
      '@id("no-people") @description("x") forbid (principal is Portolan::User, action == Portolan::Action::"serving:predict", resource);';
    expect(
      (await one.call("PUT", "/v1/policies", admin, { files: [{ name: "own.cedar", text }] })).status,
    ).toBe(200);
    expect((await grantsNow(memory)).endpoints[0]?.principals).toEqual([ids.app]);
    expect(memory.asked).toBeGreaterThan(asked + 3);
    expect((await one.call("PUT", "/v1/policies", admin, { files: [] })).status).toBe(200);
    expect((await grantsNow(memory)).endpoints).toEqual(first.endpoints);
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
    "api_key.created",
    "api_key.revoked",
    "charter_key.registered",
    "signing_key.created",
    "signing_key.rotated",
    "signing_key.revoked",
  ]) {
    expect(events).toContain(`identity.${event}`);
  }
});
