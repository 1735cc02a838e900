import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import {
  BusinessUnit,
  DisplayName,
  Name,
  Organisation,
  ServiceAccount,
  Team,
  UseCase,
  User,
} from "../contract.ts";
import {
  createBusinessUnit,
  createOrganisation,
  createServiceAccount,
  createTeam,
  createUseCase,
  createUser,
  disablePrincipal,
} from "../directory.ts";
import { listDirectory } from "../directory-lists.ts";
import type { IdentityRouteDeps } from "./route-deps.ts";

const strict = { additionalProperties: false };
const naming = { name: Name, displayName: DisplayName };
const Reference = Type.String({ minLength: 1, maxLength: 64, description: "Id or name" });
const Subject = Type.Object({ issuer: Type.String(), subject: Type.String({ maxLength: 255 }) }, strict);
const Administrator = Type.Object({ ...naming, email: Type.Optional(Type.String()) }, strict);

const NewOrganisation = Type.Object({ ...naming, administrator: Administrator }, strict);
const NewNamed = Type.Object(naming, strict);
const NewTeam = Type.Object({ ...naming, businessUnit: Reference }, strict);
const NewUseCase = Type.Object({ ...naming, team: Reference }, strict);
const NewUser = Type.Object(
  { ...naming, email: Type.Optional(Type.String()), subject: Type.Optional(Subject) },
  strict,
);
const NewServiceAccount = Type.Object({ ...naming, subject: Type.Optional(Subject) }, strict);
const ById = Type.Object({ id: Type.String() });
const Reason = Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }, strict);

/** Organisations, business units, teams, use cases, users and service accounts. */
export function directoryRoutes(deps: IdentityRouteDeps) {
  return async (app: FastifyInstance): Promise<void> => {
    const manage = routeConfig("identity:manage", "governed");
    const tags = ["identity"];
    app.post<{ Body: Static<typeof NewOrganisation> }>(
      "/v1/organisations",
      {
        config: routeConfig("identity:create_organisation", "governed"),
        schema: {
          summary: "Create a further organisation with its first platform admin",
          tags,
          body: NewOrganisation,
          response: { 201: Type.Object({ organisation: Organisation, administratorId: Type.String() }) },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createOrganisation(deps, request.call, request.body)),
    );
    app.post<{ Body: Static<typeof NewNamed> }>(
      "/v1/business-units",
      {
        config: manage,
        schema: { summary: "Create a business unit", tags, body: NewNamed, response: { 201: BusinessUnit } },
      },
      async (request, reply) =>
        reply.code(201).send(await createBusinessUnit(deps, request.call, request.body)),
    );
    app.post<{ Body: Static<typeof NewTeam> }>(
      "/v1/teams",
      { config: manage, schema: { summary: "Create a team", tags, body: NewTeam, response: { 201: Team } } },
      async (request, reply) => reply.code(201).send(await createTeam(deps, request.call, request.body)),
    );
    app.post<{ Body: Static<typeof NewUseCase> }>(
      "/v1/use-cases",
      {
        config: manage,
        schema: { summary: "Create a use case", tags, body: NewUseCase, response: { 201: UseCase } },
      },
      async (request, reply) => reply.code(201).send(await createUseCase(deps, request.call, request.body)),
    );
    registerPrincipalRoutes(app, deps);
    registerListRoutes(app, deps);
  };
}

function registerPrincipalRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  const manage = routeConfig("identity:manage", "governed");
  const tags = ["identity"];
  app.post<{ Body: Static<typeof NewUser> }>(
    "/v1/users",
    { config: manage, schema: { summary: "Create a user", tags, body: NewUser, response: { 201: User } } },
    async (request, reply) => reply.code(201).send(await createUser(deps, request.call, request.body)),
  );
  app.post<{ Body: Static<typeof NewServiceAccount> }>(
    "/v1/service-accounts",
    {
      config: manage,
      schema: {
        summary: "Create a service account",
        tags,
        body: NewServiceAccount,
        response: { 201: ServiceAccount },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await createServiceAccount(deps, request.call, request.body)),
  );
  for (const [path, noun] of [
    ["/v1/users/:id/disable", "user"],
    ["/v1/service-accounts/:id/disable", "service account"],
  ] as const) {
    app.post<{ Params: Static<typeof ById>; Body: Static<typeof Reason> }>(
      path,
      {
        config: manage,
        schema: {
          summary: `Disable a ${noun}: its tokens and keys stop counting at once`,
          tags,
          params: ById,
          body: Reason,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await disablePrincipal(deps, request.call, request.params.id, request.body.reason);
        return reply.code(204).send(null);
      },
    );
  }
}

function registerListRoutes(app: FastifyInstance, deps: IdentityRouteDeps): void {
  const lists = [
    ["/v1/organisations", "organisations", Organisation],
    ["/v1/business-units", "businessUnits", BusinessUnit],
    ["/v1/teams", "teams", Team],
    ["/v1/use-cases", "useCases", UseCase],
    ["/v1/users", "users", User],
    ["/v1/service-accounts", "serviceAccounts", ServiceAccount],
  ] as const;
  for (const [path, kind, item] of lists) {
    app.get(
      path,
      {
        config: routeConfig("identity:read", "read"),
        schema: {
          summary: `List the ${path.slice("/v1/".length).replace("-", " ")} that the caller may see`,
          tags: ["identity"],
          response: { 200: Type.Object({ items: Type.Array(item) }) },
        },
      },
      async (request) => ({ items: await listDirectory(deps, request.call, kind) }),
    );
  }
}
