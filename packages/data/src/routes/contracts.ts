import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { listContracts } from "../contracts/list-contracts.ts";
import { type ContractDeps, publishContract, readPublishedContract } from "../contracts/publish-contract.ts";
import { contractObjectives, type ObjectivesDeps } from "../health/contract-objectives.ts";
import { ContractSummary, ContractView } from "../resources.ts";

const Params = Type.Object({ name: Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" }) });
const Body = Type.Object(
  {
    document: Type.String({ maxLength: 262_144, description: "Open Data Contract Standard v3.1.0, YAML" }),
    references: Type.Optional(
      Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 1_048_576 })),
    ),
    useCaseId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: "Use case that it belongs to, by id or name" }),
    ),
    teamId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: "Team that it belongs to, by id or name" }),
    ),
  },
  { additionalProperties: false },
);
const Query = Type.Object({ version: Type.Optional(Type.String({ maxLength: 50 })) });

const ListQuery = Type.Object(
  {
    after: Type.Optional(Type.String({ maxLength: 63, description: "Names after this one" })),
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 100 }),
  },
  { additionalProperties: false },
);

const PlaceQuery = Type.Object(
  {
    environment: Type.Enum([...environments]),
    useCaseId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "By id or name" })),
  },
  { additionalProperties: false },
);
const Objectives = Type.Object({
  contract: Type.String(),
  version: Type.String(),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  objectives: Type.Array(
    Type.Object({
      measure: Type.String(),
      column: Type.Optional(Type.String()),
      op: Type.Enum(["lte", "gte"]),
      bound: Type.Number({ description: "Rows, columns, a share, or seconds" }),
      value: Type.Optional(Type.Number({ description: "Absent: nothing is known yet" })),
      isMet: Type.Optional(Type.Boolean()),
    }),
  ),
});

export async function contractRoutes(
  app: FastifyInstance,
  deps: ContractDeps & ObjectivesDeps,
): Promise<void> {
  listRoute(app, deps);
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof PlaceQuery> }>(
    "/v1/contracts/:name/objectives",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "How the data of a place stand against what their contract agrees",
        tags: ["data"],
        params: Params,
        querystring: PlaceQuery,
        response: { 200: Objectives },
      },
    },
    (request) => contractObjectives(deps, request.call, request.params.name, request.query),
  );
  app.put<{ Params: Static<typeof Params>; Body: Static<typeof Body> }>(
    "/v1/contracts/:name",
    {
      config: routeConfig("data:publish_contract", "governed"),
      bodyLimit: 4 * 2 ** 20,
      schema: {
        summary: "Publish a version of a data contract; a published version never changes",
        tags: ["data"],
        params: Params,
        body: Body,
        response: { 200: ContractView },
      },
    },
    (request) => publishContract(deps, request.call, request.params.name, request.body),
  );
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Query> }>(
    "/v1/contracts/:name",
    {
      config: routeConfig("data:read_contract", "read"),
      schema: {
        summary: "Read a data contract, by default its newest version",
        tags: ["data"],
        params: Params,
        querystring: Query,
        response: { 200: ContractView },
      },
    },
    (request) => readPublishedContract(deps, request.call, request.params.name, request.query.version),
  );
}

function listRoute(app: FastifyInstance, deps: ContractDeps): void {
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/contracts",
    {
      config: routeConfig("data:read_contract", "read"),
      schema: {
        summary: "The newest version of each data contract that you may read, by name",
        tags: ["data"],
        querystring: ListQuery,
        response: {
          200: Type.Object({
            contracts: Type.Array(ContractSummary),
            next: Type.Optional(Type.String({ description: "`after` of the next page" })),
          }),
        },
      },
    },
    (request) => listContracts(deps, request.call, request.query),
  );
}
