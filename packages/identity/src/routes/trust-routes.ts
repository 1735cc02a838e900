import { publicRoute, routeConfig } from "@portolan/http-contract";
import { parseId } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { bootstrap } from "../bootstrap.ts";
import { DisplayName, EnvironmentName, Name, Organisation } from "../contract.ts";
import { distrustIssuer, listTrustedIssuers, trustIssuer } from "../issuers.ts";
import { readPolicySet, requirePolicyFileName, writePolicySet } from "../policy-sets.ts";
import type { RequestOrigin } from "../ports.ts";
import { type TokenAlgorithm, type TrustedIssuer, tokenAlgorithms } from "../tokens/trusted-issuer.ts";
import type { IdentityRouteDeps } from "./route-deps.ts";

const strict = { additionalProperties: false };
const tags = ["identity"];
const naming = { name: Name, displayName: DisplayName };
const KeySet = Type.Object({
  keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: 64 }),
});
const Bootstrap = Type.Object(
  {
    secret: Type.String({ maxLength: 200 }),
    organisation: Type.Object(naming, strict),
    administrator: Type.Object({ ...naming, email: Type.Optional(Type.String()) }, strict),
  },
  strict,
);
const TokenRequest = Type.Object(
  {
    secret: Type.String({ maxLength: 200 }),
    principal: Type.String(),
    organisation: Type.Optional(Type.String()),
    environments: Type.Array(EnvironmentName, { uniqueItems: true, default: ["dev"] }),
    scopes: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
    lifetimeSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
  },
  strict,
);
const Issuer = Type.Object(
  {
    issuer: Type.String({ minLength: 1, maxLength: 500 }),
    audiences: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 16 }),
    algorithms: Type.Array(Type.Unsafe<TokenAlgorithm>(Type.Enum([...tokenAlgorithms])), { minItems: 1 }),
    tokenType: Type.Union([Type.Literal("at+jwt"), Type.Literal("JWT")], { default: "at+jwt" }),
    jwks: Type.Optional(KeySet),
    jwksUri: Type.Optional(Type.String({ maxLength: 500 })),
    subjectClaim: Type.String({ default: "sub", minLength: 1 }),
    environments: Type.Array(EnvironmentName, { minItems: 1, uniqueItems: true }),
    environmentsClaim: Type.Optional(Type.String({ minLength: 1 })),
  },
  strict,
);
const TrustedIssuerView = Type.Object({
  ...Issuer.properties,
  keysFetchedAt: Type.Optional(
    Type.Integer({
      description:
        "Epoch microseconds of the last good answer from jwksUri; absent: none within a day, so that no token of the issuer counts",
    }),
  ),
});
const PolicyFiles = Type.Object(
  { files: Type.Array(Type.Object({ name: Type.String(), text: Type.String() }, strict), { maxItems: 100 }) },
  strict,
);
const PolicySet = Type.Object({
  version: Type.Integer(),
  digest: Type.Optional(Type.String()),
  files: Type.Array(Type.Object({ name: Type.String(), text: Type.String() })),
});

/** Bootstrap, the development issuer, outside issuers and the organisation's policies. */
export function trustRoutes(deps: IdentityRouteDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    registerOpenRoutes(app, deps);
    registerIssuerRoutes(app, deps);
    app.get(
      "/v1/policies",
      {
        config: routeConfig("identity:read", "read"),
        schema: { summary: "The organisation's own policies", tags, response: { 200: PolicySet } },
      },
      (request) => readPolicySet(deps, request.call),
    );
    app.put<{ Body: Static<typeof PolicyFiles> }>(
      "/v1/policies",
      {
        config: routeConfig("identity:write_policies", "governed"),
        schema: {
          summary: "Replace the organisation's own policies",
          tags,
          body: PolicyFiles,
          response: { 200: PolicySet },
        },
      },
      async (request) => {
        for (const file of request.body.files) requirePolicyFileName(file.name);
        return writePolicySet(deps, request.call, request.body.files);
      },
    );
  };
}

function registerOpenRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  // Open to whoever can read the state folder: both carry the local secret in the body and write their own row.
  const open = routeConfig("public", "governed");
  app.post<{ Body: Static<typeof Bootstrap> }>(
    "/v1/bootstrap",
    {
      config: open,
      schema: {
        summary: "Make the first organisation and its platform admin, once",
        tags,
        body: Bootstrap,
        response: { 201: Type.Object({ organisation: Organisation, administratorId: Type.String() }) },
      },
    },
    async (request, reply) => reply.code(201).send(await bootstrap(deps, request.body, originOf(request))),
  );
  app.post<{ Body: Static<typeof TokenRequest> }>(
    "/v1/dev/token",
    {
      config: open,
      schema: {
        summary: "Get a short-lived development token",
        tags,
        body: TokenRequest,
        response: {
          200: Type.Object({
            token: Type.String(),
            principalId: Type.String(),
            organisationId: Type.String(),
            expiresAt: Type.Integer(),
          }),
        },
      },
    },
    async (request, reply) => {
      void reply.header("cache-control", "no-store");
      return deps.developmentIssuer.issue(request.body, originOf(request));
    },
  );
  app.get(
    "/.well-known/jwks.json",
    {
      config: publicRoute,
      schema: { summary: "Keys of the development issuer", tags, response: { 200: KeySet } },
    },
    () => deps.developmentIssuer.keySet(),
  );
  app.get(
    "/.well-known/openid-configuration",
    { config: publicRoute, schema: { summary: "Discovery document of the development issuer", tags } },
    () => deps.developmentIssuer.discovery(),
  );
}

/** With the age of the keys, so that an issuer's outage is seen before its last keys grow too old. */
async function viewIssuer(deps: IdentityRouteDeps, issuer: TrustedIssuer) {
  const known = issuer.jwks ? undefined : await deps.issuerKeys.lastKnown(issuer);
  return { ...issuer, ...(known ? { keysFetchedAt: known.fetchedAt } : {}) };
}

function originOf(request: FastifyRequest): RequestOrigin {
  const requestId = parseId("request", request.id);
  return { source: request.ip, ...(requestId === undefined ? {} : { requestId }) };
}

function registerIssuerRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  const config = routeConfig("identity:manage", "governed");
  app.get(
    "/v1/oidc-issuers",
    {
      config: routeConfig("identity:read", "read"),
      schema: {
        summary: "List the issuers whose tokens count",
        tags,
        response: { 200: Type.Object({ items: Type.Array(TrustedIssuerView) }) },
      },
    },
    async (request) => {
      const organisationId = request.call.actor.organisationId;
      await deps.authorizer.require(request.call, "identity:read", { type: "Organisation", organisationId });
      const issuers = await deps.unitOfWork.read(request.call, (sql) =>
        listTrustedIssuers(sql, organisationId),
      );
      return { items: await Promise.all(issuers.map((issuer) => viewIssuer(deps, issuer))) };
    },
  );
  app.put<{ Body: Static<typeof Issuer> }>(
    "/v1/oidc-issuers",
    {
      config,
      schema: {
        summary: "Trust an issuer, or change what is said of it",
        tags,
        body: Issuer,
        response: { 200: Issuer },
      },
    },
    (request) =>
      trustIssuer({ ...deps, ownIssuer: deps.developmentIssuer.issuer }, request.call, request.body),
  );
  app.delete<{ Querystring: { issuer: string } }>(
    "/v1/oidc-issuers",
    {
      config,
      schema: {
        summary: "Stop trusting an issuer",
        tags,
        querystring: Type.Object({ issuer: Type.String() }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await distrustIssuer(deps, request.call, request.query.issuer);
      return reply.code(204).send(null);
    },
  );
}
