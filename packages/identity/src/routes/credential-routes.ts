import { routeConfig } from "@portolan/http-contract";
import { keyPurposes } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { createApiKey, maxApiKeyDays, revokeApiKey } from "../api-keys.ts";
import {
  ApiKey,
  DisplayName,
  EnvironmentName,
  RoleBinding,
  RoleName,
  ScopeKindName,
  SigningKeyView,
  WhoAmI,
} from "../contract.ts";
import { listApiKeys, listRoleBindings, listSigningKeys, whoAmI } from "../directory-lists.ts";
import { bindRole, unbindRole } from "../role-bindings.ts";
import { registerCharterKey, revokeCharterKey } from "../signing-keys.ts";
import type { IdentityRouteDeps } from "./route-deps.ts";

const strict = { additionalProperties: false };
const tags = ["identity"];
const ById = Type.Object({ id: Type.String() });
const Reason = Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }, strict);
const NewBinding = Type.Object(
  {
    principal: Type.String(),
    role: RoleName,
    scope: Type.Object({ kind: ScopeKindName, id: Type.String() }, strict),
    environments: Type.Array(EnvironmentName, { minItems: 1, uniqueItems: true }),
  },
  strict,
);
const NewKey = Type.Object(
  {
    principal: Type.Optional(Type.String()),
    name: DisplayName,
    environment: EnvironmentName,
    scopes: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
    expiresInDays: Type.Integer({ minimum: 1, maximum: maxApiKeyDays, default: 90 }),
  },
  strict,
);
const Proof = Type.Object(
  { publicKeyPem: Type.String({ maxLength: 2000 }), signedAt: Type.Integer(), signature: Type.String() },
  strict,
);
const Purpose = Type.Object({ purpose: Type.Enum([...keyPurposes]) });
const Revocation = Type.Object(
  {
    reason: Type.String({ minLength: 1, maxLength: 500 }),
    since: Type.Optional(Type.Integer({ description: "Epoch microseconds; by default now" })),
  },
  strict,
);

/** Role bindings, API keys, signing keys and whoami. */
export function credentialRoutes(deps: IdentityRouteDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    registerBindingRoutes(app, deps);
    registerApiKeyRoutes(app, deps);
    registerSigningKeyRoutes(app, deps);
    app.get(
      "/v1/whoami",
      {
        config: routeConfig("identity:whoami", "read"),
        schema: { summary: "Who the credential says you are", tags, response: { 200: WhoAmI } },
      },
      (request) => whoAmI(deps, request.call),
    );
  };
}

function registerBindingRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  const config = routeConfig("identity:bind_role", "governed");
  app.get(
    "/v1/role-bindings",
    {
      config: routeConfig("identity:whoami", "read"),
      schema: {
        summary: "List role bindings: all, or one's own",
        tags,
        response: { 200: Type.Object({ items: Type.Array(RoleBinding) }) },
      },
    },
    async (request) => ({ items: await listRoleBindings(deps, request.call) }),
  );
  app.post<{ Body: Static<typeof NewBinding> }>(
    "/v1/role-bindings",
    { config, schema: { summary: "Give a role", tags, body: NewBinding, response: { 201: RoleBinding } } },
    async (request, reply) => reply.code(201).send(await bindRole(deps, request.call, request.body)),
  );
  app.delete<{ Params: Static<typeof ById> }>(
    "/v1/role-bindings/:id",
    { config, schema: { summary: "Take a role", tags, params: ById, response: { 204: Type.Null() } } },
    async (request, reply) => {
      await unbindRole(deps, request.call, request.params.id);
      return reply.code(204).send(null);
    },
  );
}

function registerApiKeyRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  const config = routeConfig("identity:issue_key", "governed");
  app.get(
    "/v1/api-keys",
    {
      config: routeConfig("identity:whoami", "read"),
      schema: {
        summary: "List API keys without their secrets: all, or one's own",
        tags,
        response: { 200: Type.Object({ items: Type.Array(ApiKey) }) },
      },
    },
    async (request) => ({ items: await listApiKeys(deps, request.call) }),
  );
  app.post<{ Body: Static<typeof NewKey> }>(
    "/v1/api-keys",
    {
      config,
      schema: {
        summary: "Create an API key; its text is shown this once",
        tags,
        body: NewKey,
        response: { 201: Type.Object({ apiKey: ApiKey, text: Type.String() }) },
      },
    },
    async (request, reply) => {
      void reply.header("cache-control", "no-store");
      return reply.code(201).send(await createApiKey(deps, request.call, request.body));
    },
  );
  app.post<{ Params: Static<typeof ById>; Body: Static<typeof Reason> }>(
    "/v1/api-keys/:id/revoke",
    {
      config: routeConfig("identity:revoke_key", "governed"),
      schema: { summary: "Revoke an API key", tags, params: ById, body: Reason, response: { 200: ApiKey } },
    },
    (request) => revokeApiKey(deps, request.call, request.params.id, request.body.reason),
  );
}

function registerSigningKeyRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  app.get(
    "/v1/signing-keys",
    {
      config: routeConfig("identity:whoami", "read"),
      schema: {
        summary: "List public signing keys, retired and revoked ones included",
        tags,
        response: { 200: Type.Object({ items: Type.Array(SigningKeyView) }) },
      },
    },
    async (request) => ({ items: await listSigningKeys(deps, request.call) }),
  );
  app.post<{ Body: Static<typeof Proof> }>(
    "/v1/signing-keys",
    {
      config: routeConfig("identity:register_key", "governed"),
      schema: {
        summary: "Register one's own Ed25519 charter key, with proof of possession",
        tags,
        body: Proof,
        response: { 201: SigningKeyView },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await registerCharterKey(deps, request.call, request.body)),
  );
  registerKeyEndRoutes(app, deps);
}

/** Rotation and revocation. */
function registerKeyEndRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  app.post<{ Params: { purpose: (typeof keyPurposes)[number] } }>(
    "/v1/signing-keys/rotate/:purpose",
    {
      config: routeConfig("identity:rotate_platform_key", "governed"),
      schema: {
        summary: "Rotate the platform's key of a purpose; old signatures still verify",
        tags,
        params: Purpose,
        response: { 200: SigningKeyView },
      },
    },
    async (request) => {
      const organisationId = request.call.actor.organisationId;
      await deps.authorizer.require(request.call, "identity:rotate_platform_key", {
        type: "SigningKey",
        organisationId,
      });
      return deps.keyRing.rotate(request.call, request.params.purpose);
    },
  );
  app.post<{ Params: Static<typeof ById>; Body: Static<typeof Revocation> }>(
    "/v1/signing-keys/:id/revoke",
    {
      config: routeConfig("identity:register_key", "governed"),
      schema: {
        summary: "Revoke a signing key, also from an instant in the past",
        tags,
        params: ById,
        body: Revocation,
        response: { 200: SigningKeyView },
      },
    },
    (request) => revokeSigningKey(deps, request.call, request.params.id, request.body),
  );
}

async function revokeSigningKey(
  deps: IdentityRouteDeps,
  call: Parameters<typeof whoAmI>[1],
  id: string,
  body: Static<typeof Revocation>,
) {
  const since = body.since ?? deps.clock.now();
  const key = await deps.keyRing.find(id);
  if (key?.holder !== undefined) return revokeCharterKey(deps, call, id, since, body.reason);
  await deps.authorizer.require(call, "identity:rotate_platform_key", {
    type: "SigningKey",
    id,
    organisationId: call.actor.organisationId,
  });
  return deps.keyRing.revoke(call, id, since, body.reason);
}
