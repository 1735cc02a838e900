import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { EndpointName } from "../endpoint.ts";
import { Halt, HaltRequest, Resumption } from "../halts/contract.ts";
import { type HaltDeps, haltEndpoint, resumeEndpoint } from "../halts/halt-endpoint.ts";

const Params = Type.Object({ name: EndpointName });

/** The kill switch of an endpoint, and the way back. */
export async function haltRoutes(app: FastifyInstance, deps: HaltDeps): Promise<void> {
  app.post<{ Params: Static<typeof Params>; Body: HaltRequest }>(
    "/v1/endpoints/:name/halt",
    {
      config: routeConfig("serving:halt", "governed"),
      schema: {
        summary: "Stop an endpoint at once: no gateway answers for it until it is resumed",
        tags: ["serving"],
        params: Params,
        body: HaltRequest,
        response: { 200: Halt },
      },
    },
    (request) => haltEndpoint(deps, request.call, request.params.name, request.body),
  );

  app.post<{ Params: Static<typeof Params>; Body: HaltRequest }>(
    "/v1/endpoints/:name/resume",
    {
      config: routeConfig("serving:resume", "governed"),
      schema: {
        summary: "Let a halted endpoint go on",
        tags: ["serving"],
        params: Params,
        body: HaltRequest,
        response: { 200: Resumption },
      },
    },
    (request) => resumeEndpoint(deps, request.call, request.params.name, request.body),
  );
}
