import { routeConfig } from "@portolan/http-contract";
import { FlagKey } from "@portolan/serving/contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { approveFlagChange } from "../flags/approve-flag.ts";
import { DeletedFlag, FlagDeletion, FlagList, FlagRequest, FlagView } from "../flags/contract.ts";
import { readFlags } from "../flags/read-flags.ts";
import { type FlagDeps, removeFlag, setFlag } from "../flags/set-flag.ts";

const tags = ["flags"];
const EndpointName = Type.String({ minLength: 1, maxLength: 200 });
const EndpointParams = Type.Object({ name: EndpointName });
const FlagParams = Type.Object({ name: EndpointName, key: FlagKey });
const ChangeParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });

/** Feature flags of endpoints; gateways evaluate them. */
export async function flagRoutes(app: FastifyInstance, deps: FlagDeps): Promise<void> {
  app.get<{ Params: Static<typeof EndpointParams> }>(
    "/v1/endpoints/:name/flags",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "Flags of an endpoint: what is in force, and what waits for approval",
        tags,
        params: EndpointParams,
        response: { 200: FlagList },
      },
    },
    async (request) => ({ flags: await readFlags(deps, request.call, request.params.name) }),
  );

  app.put<{ Params: Static<typeof FlagParams>; Body: FlagRequest }>(
    "/v1/endpoints/:name/flags/:key",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "State a flag of an endpoint; in production it may have to be approved first",
        tags,
        params: FlagParams,
        body: FlagRequest,
        response: { 200: FlagView },
      },
    },
    (request) => setFlag(deps, request.call, placeOf(request.params), request.body),
  );

  app.delete<{ Params: Static<typeof FlagParams>; Querystring: FlagDeletion }>(
    "/v1/endpoints/:name/flags/:key",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "Take a flag away, with what waits at it",
        tags,
        params: FlagParams,
        querystring: FlagDeletion,
        response: { 200: DeletedFlag },
      },
    },
    (request) => removeFlag(deps, request.call, placeOf(request.params), request.query),
  );

  app.post<{ Params: Static<typeof ChangeParams> }>(
    "/v1/flag-changes/:id/approvals",
    {
      config: routeConfig("rollout:approve", "governed"),
      schema: {
        summary: "Approve a change of a flag that somebody else asked for",
        tags,
        params: ChangeParams,
        response: { 200: FlagView },
      },
    },
    (request) => approveFlagChange(deps, request.call, request.params.id),
  );
}

function placeOf({ name: endpoint, key }: Static<typeof FlagParams>) {
  return { endpoint, key };
}
