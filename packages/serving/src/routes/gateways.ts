import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Gateway, GatewayDeclaration, GatewayName } from "../endpoint.ts";
import { declareGateway, type GatewayDeps, readGateways } from "../gateways.ts";

const Params = Type.Object({ name: GatewayName });

export async function gatewayRoutes(app: FastifyInstance, deps: GatewayDeps): Promise<void> {
  app.put<{ Params: Static<typeof Params>; Body: GatewayDeclaration }>(
    "/v1/gateways/:name",
    {
      config: routeConfig("serving:declare_gateway", "governed"),
      schema: {
        summary:
          "Declare where a gateway stands and who owns the machine; it is given what charters allow there",
        tags: ["serving"],
        params: Params,
        body: GatewayDeclaration,
        response: { 200: Gateway },
      },
    },
    (request) => declareGateway(deps, request.call, request.params.name, request.body),
  );
  app.get(
    "/v1/gateways",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "Gateways, where they stand, and the routes that they are not given",
        tags: ["serving"],
        response: { 200: Type.Object({ gateways: Type.Array(Gateway) }) },
      },
    },
    async (request) => ({ gateways: await readGateways(deps, request.call) }),
  );
}
