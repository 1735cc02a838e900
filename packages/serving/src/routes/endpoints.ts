import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { withBackends } from "../backends/deployed-backends.ts";
import { type DeployDeps, deployEndpoint } from "../deploy-endpoint.ts";
import { DeployedRoute, DeployOrder, type Endpoint, EndpointList, EndpointName } from "../endpoint.ts";
import { keepingParts } from "../keep-parts.ts";
import { type Served, servedRoutes } from "../served-routes.ts";
import { listDeployed } from "../store.ts";

const Params = Type.Object({ name: EndpointName });

export async function endpointRoutes(app: FastifyInstance, deps: DeployDeps): Promise<void> {
  app.put<{ Params: Static<typeof Params>; Body: DeployOrder }>(
    "/v1/endpoints/:name",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "Put a model version behind an endpoint",
        tags: ["serving"],
        params: Params,
        body: DeployOrder,
        response: { 200: DeployedRoute },
      },
    },
    async ({ call, params: { name }, body: { keep = [], ...asked } }) => {
      const { request, insteadOf } = await keepingParts(deps, call, name, { asked, keep });
      return deployEndpoint(deps, call, name, request, insteadOf);
    },
  );

  app.get(
    "/v1/endpoints",
    {
      config: routeConfig("serving:read", "read"),
      schema: { summary: "List endpoints", tags: ["serving"], response: { 200: EndpointList } },
    },
    async (request) => {
      const { organisationId } = request.call.actor;
      const deployed = await deps.work.read(request.call, (sql) => listDeployed(sql, organisationId));
      const visible = [];
      for (const served of await servedRoutes(deps, request.call, deployed)) {
        const endpoint = viewOf(served);
        const { allowed } = await deps.authorizer.decide(request.call, "serving:read", {
          type: "Endpoint",
          id: endpoint.name,
          organisationId,
          businessUnitId: endpoint.route.businessUnitId,
          ...(endpoint.route.teamId ? { teamId: endpoint.route.teamId } : {}),
          useCaseId: endpoint.useCaseId,
          environment: endpoint.environment,
        });
        if (!allowed) continue;
        const charter = await deps.charters.inForce(request.call, endpoint.useCaseId).catch(() => undefined);
        visible.push({
          ...endpoint,
          compute: withBackends(
            await deps.compute.judge(request.call, endpoint.route.model, charter),
            endpoint.route.backends,
          ),
        });
      }
      return { endpoints: visible };
    },
  );
}

/** The route as the next snapshot carries it; of a stopped endpoint, as it was deployed. */
function viewOf(served: Served): Omit<Endpoint, "compute"> {
  const { endpointId, name, environment, useCaseId, route, ...deployment } = served.deployed;
  const { deploymentId, deployedAt, deployedBy, snapshotVersion } = deployment;
  return {
    id: endpointId,
    name,
    environment,
    useCaseId,
    deploymentId,
    deployedAt,
    deployedBy,
    snapshotVersion,
    route: served.kind === "route" ? served.route : route,
    stopped: served.kind === "stopped" ? served.stop : null,
  };
}
