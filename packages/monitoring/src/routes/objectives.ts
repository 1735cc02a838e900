import { routeConfig } from "@portolan/http-contract";
import { type CallContext, type Environment, environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { EndpointObjectives, type ObjectiveTerms, objectivesOf } from "../objectives/objective.ts";
import { EndpointStatus, objectiveStatus } from "../objectives/objective-status.ts";
import { type LifecycleDeps, readLifecycle } from "../objectives/read-lifecycle.ts";

/** What is wanted of endpoints. Implemented over `serving` and `charter`. */
export interface ObjectiveSource {
  /**
   * By the charter in force.
   * @throws PortolanError 404 where the caller may not read such an endpoint; `charter.not_in_force`
   */
  find(call: CallContext, environment: Environment, endpoint: string): Promise<ObjectiveTerms>;
}

export interface ObjectiveDeps extends LifecycleDeps {
  readonly objectives: ObjectiveSource;
}

const Params = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const Query = Type.Object({ environment: Type.Enum([...environments]) }, { additionalProperties: false });

/** Service level objectives that follow from charters. */
export async function objectiveRoutes(app: FastifyInstance, deps: ObjectiveDeps): Promise<void> {
  const { objectives } = deps;
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Query> }>(
    "/v1/endpoints/:name/objectives",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "Service level objectives of an endpoint, as its charter in force wants them",
        tags: ["monitoring"],
        params: Params,
        querystring: Query,
        response: { 200: EndpointObjectives },
      },
    },
    async (request) =>
      objectivesOf(await objectives.find(request.call, request.query.environment, request.params.name)),
  );
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Query> }>(
    "/v1/endpoints/:name/objectives/status",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary:
          "What is left of the error budgets of an endpoint, and how fast they burn, by the records that control has",
        tags: ["monitoring"],
        params: Params,
        querystring: Query,
        response: { 200: EndpointStatus },
      },
    },
    async (request) => {
      const { environment } = request.query;
      const terms = await objectives.find(request.call, environment, request.params.name);
      const wanted = objectivesOf(terms);
      const status = await objectiveStatus(deps, request.call, wanted);
      return { ...status, lifecycle: await readLifecycle(deps, request.call, wanted, wanted.lifecycle) };
    },
  );
}
