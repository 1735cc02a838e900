import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { EndpointName } from "../endpoint.ts";
import { announceSunset, type SunsetDeps, takeSunsetBack } from "../sunsets/announce-sunset.ts";
import { Sunset, SunsetRequest, SunsetWithdrawal } from "../sunsets/contract.ts";

const Params = Type.Object({ name: EndpointName });

/** The announced end of an endpoint. */
export async function sunsetRoutes(app: FastifyInstance, deps: SunsetDeps): Promise<void> {
  app.post<{ Params: Static<typeof Params>; Body: SunsetRequest }>(
    "/v1/endpoints/:name/sunset",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary:
          "Announce when an endpoint, or one of its versions, ends: its callers are told with each answer, and it stops then",
        tags: ["serving"],
        params: Params,
        body: SunsetRequest,
        response: { 200: Sunset },
      },
    },
    (request) => announceSunset(deps, request.call, request.params.name, request.body),
  );

  app.post<{ Params: Static<typeof Params>; Body: SunsetWithdrawal }>(
    "/v1/endpoints/:name/sunset/withdrawal",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "Take the announced end of an endpoint, or of one of its versions, back",
        tags: ["serving"],
        params: Params,
        body: SunsetWithdrawal,
        response: { 200: Sunset },
      },
    },
    (request) => takeSunsetBack(deps, request.call, request.params.name, request.body),
  );
}
