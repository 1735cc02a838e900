import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { approveRetraining, cancelRetraining } from "../change-retraining.ts";
import {
  Retraining,
  RetrainingList,
  RetrainingPolicy,
  RetrainingPolicyView,
  RetrainingReport,
  RetrainingRequest,
} from "../contract.ts";
import { type ReportDeps, readReport } from "../read-report.ts";
import { readRetraining, readRetrainings } from "../read-retrainings.ts";
import { readPolicy, setPolicy } from "../set-policy.ts";
import { startRetraining } from "../start-retraining.ts";

const tags = ["retraining"];
const EndpointParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });
const EnvironmentQuery = Type.Object({ environment: Type.Enum([...environments]) });
const ListQuery = Type.Object({
  endpoint: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  environment: Type.Optional(Type.Enum([...environments])),
});
const CancelBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500, description: "Why; it is on the ledger" }) },
  { additionalProperties: false },
);
const PolicyBody = Type.Object(
  { environment: Type.Enum([...environments]), policy: RetrainingPolicy },
  { additionalProperties: false },
);

export async function retrainingRoutes(app: FastifyInstance, deps: ReportDeps): Promise<void> {
  policyRoutes(app, deps);
  changeRoutes(app, deps);
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/retrainings",
    {
      config: routeConfig("retraining:read", "read"),
      schema: {
        summary: "Retrainings, newest first",
        tags,
        querystring: ListQuery,
        response: { 200: RetrainingList },
      },
    },
    async ({ call, query }) => ({ retrainings: await readRetrainings(deps, call, query) }),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/retrainings/:id",
    {
      config: routeConfig("retraining:read", "read"),
      schema: {
        summary: "Where a retraining stands, and why",
        tags,
        params: IdParams,
        response: { 200: Retraining },
      },
    },
    ({ call, params }) => readRetraining(deps, call, params.id),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/retrainings/:id/report",
    {
      config: routeConfig("retraining:read", "read"),
      schema: {
        summary: "A retraining with all its evidence, as far as the caller may see it",
        tags,
        params: IdParams,
        response: { 200: RetrainingReport },
      },
    },
    ({ call, params }) => readReport(deps, call, params.id),
  );
}

function policyRoutes(app: FastifyInstance, deps: ReportDeps): void {
  app.get<{ Params: Static<typeof EndpointParams>; Querystring: Static<typeof EnvironmentQuery> }>(
    "/v1/endpoints/:name/retraining-policy",
    {
      config: routeConfig("retraining:read", "read"),
      schema: {
        summary: "When an endpoint's model is trained again, and what is wrong with it now",
        tags,
        params: EndpointParams,
        querystring: EnvironmentQuery,
        response: { 200: RetrainingPolicyView },
      },
    },
    ({ call, params, query }) => readPolicy(deps, call, params.name, query.environment),
  );
  app.put<{ Params: Static<typeof EndpointParams>; Body: Static<typeof PolicyBody> }>(
    "/v1/endpoints/:name/retraining-policy",
    {
      config: routeConfig("retraining:set_policy", "governed"),
      schema: {
        summary: "State when an endpoint's model is trained again, as far as its charter does not",
        tags,
        params: EndpointParams,
        body: PolicyBody,
        response: { 200: RetrainingPolicyView },
      },
    },
    ({ call, params, body }) => setPolicy(deps, call, params.name, body.environment, body.policy),
  );
}

function changeRoutes(app: FastifyInstance, deps: ReportDeps): void {
  app.post<{ Params: Static<typeof EndpointParams>; Body: RetrainingRequest }>(
    "/v1/endpoints/:name/retrainings",
    {
      config: routeConfig("retraining:start", "governed"),
      schema: {
        summary: "Train an endpoint's model again, and release what comes out if it is better",
        tags,
        params: EndpointParams,
        body: RetrainingRequest,
        response: { 201: Retraining },
      },
    },
    async ({ call, params, body }, reply) =>
      reply.code(201).send(await startRetraining(deps, call, params.name, body)),
  );
  app.post<{ Params: Static<typeof IdParams> }>(
    "/v1/retrainings/:id/approval",
    {
      config: routeConfig("retraining:approve", "governed"),
      schema: {
        summary: "Let a retrained version go on to its release",
        tags,
        params: IdParams,
        response: { 200: Retraining },
      },
    },
    ({ call, params }) => approveRetraining(deps, call, params.id),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof CancelBody> }>(
    "/v1/retrainings/:id/cancellation",
    {
      config: routeConfig("retraining:start", "governed"),
      schema: {
        summary: "End a retraining; a release that runs is rolled back",
        tags,
        params: IdParams,
        body: CancelBody,
        response: { 200: Retraining },
      },
    },
    ({ call, params, body }) => cancelRetraining(deps, call, params.id, body.reason),
  );
}
