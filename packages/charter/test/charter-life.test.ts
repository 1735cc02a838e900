import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { type ErrorCatalogue, toProblem } from "@portolan/http-contract";
import {
  asEpochMicros,
  type CallContext,
  type Id,
  isPortolanError,
  newId,
  type SigningKey,
  systemClock,
} from "@portolan/kernel";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { verifyCharterBundle } from "../src/bundle.ts";
import {
  charterErrors,
  charterMigrations,
  inForceCharter,
  registerCharterRoutes,
  requireInForceCharter,
} from "../src/index.ts";
import type { RegisteredUseCase, RoleLookup, SigningKeyLookup, UseCaseDirectory } from "../src/ports.ts";
import { charterSigningBytes } from "../src/signing-statement.ts";
import { readTemplate } from "../src/templates.ts";
import type { CharterBundle, CharterView } from "../src/views.ts";

const useCase: RegisteredUseCase = {
  useCaseId: "uc_flight",
  businessUnitId: "bu_operations",
  businessUnit: "operations",
  teamId: "team_planning",
  team: "network-planning",
};

/** A person with a registered key, as `identity` would know her. */
interface Person {
  readonly id: string;
  readonly key: SigningKey;
  readonly privatePem: string;
}

const keys = new Map<string, SigningKey>();
const roleHolders = new Map<string, string[]>();
const signingKeys: SigningKeyLookup = { find: async (id) => keys.get(id) };
const roles: RoleLookup = { holdsRole: async (user, role) => roleHolders.get(user)?.includes(role) ?? false };
const useCases: UseCaseDirectory = {
  find: async (_, name) => (name === "flight-delays" ? { ...useCase, useCaseId: currentUseCase } : undefined),
};
let currentUseCase = "uc_0";

function person(...held: string[]): Person {
  const id = newId("user", systemClock.now());
  const pair = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const key: SigningKey = {
    id: newId("signingKey", systemClock.now()),
    purpose: "charter",
    algorithm: "ed25519",
    publicKeyPem: pair.publicKey,
    holder: id,
    validFrom: asEpochMicros(0),
  };
  keys.set(key.id, key);
  roleHolders.set(id, held);
  return { id, key, privatePem: pair.privateKey };
}

let database: TestDatabase;
let app: FastifyInstance;
let caller: CallContext;
const authorizer = testAuthorizer({
  author: ["charter:create", "charter:read"],
  signer: ["charter:read", "charter:sign"],
});

function as(who: Person | undefined, role: string, organisationId = testOrganisation): void {
  caller = aCall({ roles: [role], organisationId, ...(who ? { id: who.id } : {}) });
}

beforeAll(async () => {
  database = await openTestDatabase({ migrations: [charterMigrations] });
  app = Fastify();
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    request.call = caller;
  });
  app.setErrorHandler((error, _, reply) => {
    if (!isPortolanError(error)) return reply.code(500).send({ code: "not ours", detail: String(error) });
    const problem = toProblem(error, {
      ...charterErrors,
      "identity.forbidden": { status: 403, title: "Forbidden" },
    } as ErrorCatalogue);
    return reply.code(problem.status).send(problem);
  });
  await registerCharterRoutes(app, {
    uow: database.uow,
    authorizer,
    clock: database.clock,
    useCases,
    signingKeys,
    roles,
  });
  await app.ready();
});
afterAll(async () => {
  await app.close();
  await database.close();
});
beforeEach((context) => {
  currentUseCase = `uc_${context.task.id}`;
});

const source = readTemplate("flight-delays");

async function submit(text = source, dryRun = false) {
  as(undefined, "author");
  return app.inject({
    method: "POST",
    url: "/v1/charters",
    payload: { source: text, file: "charter.yaml", dryRun },
  });
}

async function view(id: string): Promise<CharterView> {
  as(undefined, "author");
  return (await app.inject(`/v1/charters/${id}`)).json<CharterView>();
}

async function signAs(
  who: Person,
  charterId: string,
  role: "team_lead" | "approver_risk" | "finance",
  change = {},
) {
  const charter = await view(charterId);
  const statement = { ...charter, charterId, role, signer: who.id, keyId: who.key.id, ...change };
  const signature = sign(null, charterSigningBytes(statement), createPrivateKey(who.privatePem)).toString(
    "base64",
  );
  as(who, "signer");
  const payload = { role, keyId: who.key.id, signature };
  return app.inject({ method: "POST", url: `/v1/charters/${charterId}/signatures`, payload });
}

async function ledgerEvents(subject: string): Promise<string[]> {
  const rows = await database.sql
    .withTables<{ "ledger.rows": { event: string; subject: string; at: number } }>()
    .selectFrom("ledger.rows")
    .select("event")
    .where("subject", "=", subject)
    .orderBy("at")
    .execute();
  return rows.map((row) => row.event);
}

async function inForce() {
  return inForceCharter({ uow: database.uow }, aCall(), { useCaseId: currentUseCase });
}

describe("the life of a charter", () => {
  test("a charter governs from the last signature that its content demands, and each step is on the ledger", async () => {
    const submitted = await submit();
    expect(submitted.statusCode, submitted.body).toBe(201);
    const { charterId, version } = submitted.json<{ charterId: string; version: number }>();
    expect(version).toBe(1);
    const lead = person("team_lead");
    const risk = person("approver_risk");
    const first = await signAs(lead, charterId, "team_lead");
    expect(first.json()).toMatchObject({ status: "partially_signed", missingRoles: ["approver_risk"] });
    expect(await inForce()).toBeUndefined();
    const second = await signAs(risk, charterId, "approver_risk");
    expect(second.json()).toMatchObject({ status: "in_force", missingRoles: [] });
    expect(await inForce()).toMatchObject({ charterId, version: 1, useCase: "flight-delays" });
    expect((await ledgerEvents(charterId)).toSorted()).toEqual([
      "charter.version.put_in_force",
      "charter.version.signed",
      "charter.version.signed",
      "charter.version.submitted",
    ]);
    const bundle = (await app.inject(`/v1/charters/${charterId}/bundle`)).json<CharterBundle>();
    expect(verifyCharterBundle(bundle)).toEqual({
      kind: "signed",
      signers: [
        { role: "team_lead", signer: lead.id },
        { role: "approver_risk", signer: risk.id },
      ],
    });
    expect(verifyCharterBundle(bundle, ({ signer }) => signer === lead.id).kind).toBe("not_signed");
  });

  test("a changed charter is a new version, and the old one governs until it is signed", async () => {
    const one = (await submit()).json<{ charterId: string }>().charterId;
    const lead = person("team_lead");
    const risk = person("approver_risk");
    await signAs(lead, one, "team_lead");
    await signAs(risk, one, "approver_risk");
    const changed = await submit(source.replace("500 rps", "600 rps"));
    expect(changed.json()).toMatchObject({
      outcome: "created",
      version: 2,
      changes: [{ pointer: "/requirements/throughput/ceiling", before: "500 rps", after: "600 rps" }],
    });
    const two = changed.json<{ charterId: string }>().charterId;
    await signAs(lead, two, "team_lead");
    expect((await inForce())?.charterId).toBe(one);
    await signAs(risk, two, "approver_risk");
    expect((await inForce())?.charterId).toBe(two);
    expect((await view(one)).status).toBe("superseded");
    expect((await signAs(lead, one, "team_lead")).json()).toMatchObject({
      code: "charter.not_open_for_signature",
    });
  });

  test("the same charter again is the same version, and a dry run writes nothing", async () => {
    const dry = await submit(source, true);
    expect(dry.json()).toMatchObject({ outcome: "dry_run", version: 1 });
    const one = (await submit()).json<{ charterId: string }>().charterId;
    const again = await submit(`# another comment\n${source}`);
    expect(again.statusCode).toBe(200);
    expect(again.json()).toMatchObject({ outcome: "unchanged", charterId: one, version: 1 });
  });

  test("a new draft supersedes an open one, so that nobody signs yesterday's text", async () => {
    const one = (await submit()).json<{ charterId: string }>().charterId;
    await submit(source.replace("500 rps", "450 rps"));
    expect((await view(one)).status).toBe("superseded");
  });

  test("one person cannot stand for two roles", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    const both = person("team_lead", "approver_risk");
    await signAs(both, id, "team_lead");
    expect((await signAs(both, id, "approver_risk")).json()).toMatchObject({
      code: "charter.already_signed",
    });
    expect((await view(id)).status).toBe("partially_signed");
  });

  test("a signature counts for its own role, version, signer and key only", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    const lead = person("team_lead", "approver_risk");
    for (const change of [
      { role: "approver_risk" },
      { version: 2 },
      { signer: "usr_other" },
      { charterId: "cht_other" },
      { organisationId: "org_other" },
    ]) {
      const reply = await signAs(lead, id, "team_lead", change);
      expect(reply.json()).toMatchObject({ code: "charter.signature_not_valid" });
    }
  });

  test("without the role, with somebody else's key, a retired key or a role not asked for, nobody signs", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    expect((await signAs(person(), id, "team_lead")).json()).toMatchObject({ code: "charter.role_not_held" });
    const thief = { ...person("team_lead"), key: person().key };
    expect((await signAs(thief, id, "team_lead")).json()).toMatchObject({
      code: "charter.signing_key_not_usable",
    });
    const late = person("team_lead");
    keys.set(late.key.id, { ...late.key, retiredAt: asEpochMicros(1) });
    expect((await signAs(late, id, "team_lead")).json()).toMatchObject({
      code: "charter.signing_key_not_usable",
    });
    expect((await signAs(person("finance"), id, "finance")).json()).toMatchObject({
      code: "charter.signature_not_asked",
    });
  });

  test("a withdrawn charter governs nothing", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    await signAs(person("team_lead"), id, "team_lead");
    await signAs(person("approver_risk"), id, "approver_risk");
    as(undefined, "signer");
    const reply = await app.inject({
      method: "POST",
      url: `/v1/charters/${id}/withdrawal`,
      payload: { reason: "wrong floor" },
    });
    expect(reply.statusCode).toBe(204);
    await expect(
      requireInForceCharter({ uow: database.uow }, aCall(), { useCaseId: currentUseCase }),
    ).rejects.toMatchObject({
      code: "charter.not_in_force",
    });
  });

  test("a charter of another organisation answers like one that does not exist", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    const other = newId("organisation", systemClock.now()) as Id<"organisation">;
    as(undefined, "author", other);
    const foreign = await app.inject(`/v1/charters/${id}`);
    const missing = await app.inject("/v1/charters/cht_00000000000000000000000000");
    expect(foreign.statusCode).toBe(404);
    expect(foreign.body).toBe(missing.body);
  });

  test("every problem of a file comes at once, with its line and the mend", async () => {
    const reply = await submit(source.replace("p95: 50ms", "p95: 50").replace("latencyClass", "latencyClas"));
    expect(reply.statusCode).toBe(422);
    const { violations } = reply.json<{
      violations: { at: { line: number; file: string }; mend: string }[];
    }>();
    expect(violations.length).toBe(3);
    expect(
      violations.every((violation) => violation.at.line > 1 && violation.at.file === "charter.yaml"),
    ).toBe(true);
  });

  test("a use case that nobody registered, or of another team, takes no charter", async () => {
    const unknown = await submit(source.replace("name: flight-delays", "name: boat-delays"));
    expect(unknown.json()).toMatchObject({ code: "charter.use_case_unknown" });
    const moved = await submit(source.replace("team: network-planning", "team: gates"));
    expect(moved.json()).toMatchObject({ code: "charter.use_case_unknown" });
  });

  test("a charter changed behind the server's back is refused, not served", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    await database.database.session((session) =>
      session.script(
        `update charter.charters set document = jsonb_set(document, '{requirements,accuracy,floor}', '0.1') where id = '${id}'`,
      ),
    );
    as(undefined, "author");
    expect((await app.inject(`/v1/charters/${id}`)).json()).toMatchObject({ code: "charter.not_whole" });
  });

  test("the explanation names the lines it comes from, as JSON and as Markdown", async () => {
    const id = (await submit()).json<{ charterId: string }>().charterId;
    as(undefined, "author");
    const json = (await app.inject(`/v1/charters/${id}/explain`)).json<{
      items: { control: string; from: { line?: number }[] }[];
    }>();
    expect(json.items.find((item) => item.control === "rate_limit")?.from[0]?.line).toBeGreaterThan(10);
    const markdown = await app.inject(`/v1/charters/${id}/explain?format=markdown`);
    expect(markdown.headers["content-type"]).toContain("text/markdown");
    expect(markdown.body).toContain("**not enforced**");
  });

  test("the list shows the versions, newest first", async () => {
    await submit();
    await submit(source.replace("500 rps", "510 rps"));
    as(undefined, "author");
    const { charters } = (await app.inject("/v1/charters?useCase=flight-delays")).json<{
      charters: CharterView[];
    }>();
    expect(
      charters.filter((charter) => charter.useCaseId === currentUseCase).map((charter) => charter.version),
    ).toEqual([2, 1]);
  });
});
