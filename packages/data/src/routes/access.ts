import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { listAccessPolicies, publishAccessPolicy, withdrawAccessPolicy } from "../access/access-policies.ts";
import { masks } from "../access/access-policy.ts";
import type { AccessDecision } from "../access/decide-access.ts";
import { explainAccess, type ReadDeps, readRows } from "../access/read-rows.ts";

const tags = ["data"];
const Purpose = Type.String({ minLength: 1, maxLength: 100, description: "What the data are read for" });
const Named = Type.Object({ name: Type.String({ maxLength: 63 }) });
const OfDataset = Type.Object({ id: Type.String({ maxLength: 60 }) });
const Micros = Type.Integer({ description: "Epoch microseconds" });

const PolicyView = Type.Object({
  name: Type.String(),
  digest: Type.String(),
  document: Type.String(),
  publishedBy: Type.String(),
  publishedAt: Micros,
});

export const DecisionView = Type.Object({
  allowed: Type.Boolean(),
  reason: Type.Optional(Type.String({ description: "Why nothing may be read" })),
  columns: Type.Array(
    Type.Object({
      name: Type.String(),
      type: Type.String(),
      mask: Type.Optional(
        Type.Object({
          with: Type.Enum([...masks]),
          by: Type.String({ description: "The policy that asks for it" }),
        }),
      ),
    }),
  ),
  hidden: Type.Array(Type.Object({ name: Type.String(), reason: Type.String() })),
  rowFilters: Type.Array(Type.Object({ expression: Type.String(), by: Type.String() })),
  minGroup: Type.Optional(
    Type.Object({ rows: Type.Integer(), over: Type.Array(Type.String()), by: Type.Array(Type.String()) }),
  ),
  expires: Type.Optional(Micros),
  policies: Type.Array(Type.String()),
});
export type DecisionView = Static<typeof DecisionView>;

const NewPolicy = Type.Object(
  { document: Type.String({ maxLength: 65_536, description: "YAML" }) },
  { additionalProperties: false },
);
const NewRead = Type.Object(
  {
    purpose: Purpose,
    query: Type.Optional(
      Type.String({
        maxLength: 20_000,
        description:
          "One query over the relation `data`, which holds what the policies allow; by default all of it",
      }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 100 }),
  },
  { additionalProperties: false },
);
const Rows = Type.Object({
  rows: Type.Array(
    Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object", additionalProperties: true }),
  ),
  truncated: Type.Boolean({ description: "There are more rows than the limit" }),
  decision: DecisionView,
  policyDigest: Type.String({ description: "Of all policies in force when it was read" }),
});

/** Policies on data, and reading through them. */
export async function accessRoutes(app: FastifyInstance, deps: ReadDeps): Promise<void> {
  policyRoutes(app, deps);
  app.get<{ Params: Static<typeof OfDataset>; Querystring: { purpose: string } }>(
    "/v1/datasets/:id/access",
    {
      config: routeConfig("data:read_rows", "read"),
      schema: {
        summary:
          "What the policies say of the caller, a dataset, a training set or a scored snapshot, and a purpose; nothing is read",
        tags,
        params: OfDataset,
        querystring: Type.Object({ purpose: Purpose }),
        response: { 200: DecisionView },
      },
    },
    async (request) =>
      view(await explainAccess(deps, request.call, request.params.id, request.query.purpose)),
  );
  app.post<{ Params: Static<typeof OfDataset>; Body: Static<typeof NewRead> }>(
    "/v1/datasets/:id/reads",
    {
      config: routeConfig("data:read_rows", "governed"),
      schema: {
        summary:
          "Read rows of a dataset, a training set or a scored snapshot through the policies; each read is on the ledger",
        tags,
        params: OfDataset,
        body: NewRead,
        response: { 200: Rows },
      },
    },
    async (request) => {
      const { rows, decision, ...rest } = await readRows(deps, request.call, request.params.id, request.body);
      return { rows: [...rows], ...rest, decision: view(decision) };
    },
  );
}

function policyRoutes(app: FastifyInstance, deps: ReadDeps): void {
  app.put<{ Params: Static<typeof Named>; Body: Static<typeof NewPolicy> }>(
    "/v1/access-policies/:name",
    {
      config: routeConfig("data:write_policy", "governed"),
      schema: {
        summary: "Put a policy on data in force, in the place of the one of its name",
        tags,
        params: Named,
        body: NewPolicy,
        response: { 200: Type.Object({ name: Type.String(), digest: Type.String() }) },
      },
    },
    (request) => publishAccessPolicy(deps, request.call, request.params.name, request.body.document),
  );
  app.delete<{ Params: Static<typeof Named> }>(
    "/v1/access-policies/:name",
    {
      config: routeConfig("data:write_policy", "governed"),
      schema: {
        summary: "Take a policy on data out of force",
        tags,
        params: Named,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await withdrawAccessPolicy(deps, request.call, request.params.name);
      return reply.code(204).send(null);
    },
  );
  app.get(
    "/v1/access-policies",
    {
      config: routeConfig("data:read_policy", "read"),
      schema: {
        summary: "Policies on data that are in force, by name",
        tags,
        response: { 200: Type.Object({ policies: Type.Array(PolicyView) }) },
      },
    },
    async (request) => ({
      policies: (await listAccessPolicies(deps, request.call)).map((one) => ({
        name: one.name,
        digest: one.digest,
        document: one.document,
        publishedBy: one.published_by,
        publishedAt: one.published_at,
      })),
    }),
  );
}

function view(decision: AccessDecision): DecisionView {
  if (decision.kind === "denied") {
    const { reason, by } = decision;
    return {
      allowed: false,
      reason,
      columns: [],
      hidden: [],
      rowFilters: [],
      policies: by === undefined ? [] : [by],
    };
  }
  const { columns, hidden, rowFilters, minGroup, expires, policies } = decision;
  return {
    allowed: true,
    columns: columns.map((column) => ({ ...column })),
    hidden: hidden.map((column) => ({ ...column })),
    rowFilters: rowFilters.map((filter) => ({ ...filter })),
    ...(minGroup
      ? { minGroup: { rows: minGroup.rows, over: [...minGroup.over], by: [...minGroup.by] } }
      : {}),
    ...(expires === undefined ? {} : { expires }),
    policies: [...policies],
  };
}
