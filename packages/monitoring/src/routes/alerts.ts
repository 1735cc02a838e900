import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { AlertRoute, AlertView } from "../alerts/alert-schema.ts";
import {
  type AlertDeps,
  addRoute,
  dropRoute,
  readAlerts,
  readRoutes,
  silenceAlert,
} from "../alerts/alerts.ts";

const tags = ["monitoring"];
const closed = { additionalProperties: false } as const;
const EnvironmentName = Type.Enum([...environments]);
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });

const Query = Type.Object(
  {
    state: Type.Optional(Type.Enum(["open", "resolved"])),
    environment: Type.Optional(EnvironmentName),
    after: Type.Optional(
      Type.String({ maxLength: 60, description: "The last alert of the page before: those that are older" }),
    ),
  },
  closed,
);
const Silence = Type.Object(
  {
    until: Type.Integer({ description: "Epoch microseconds, within 90 days" }),
    reason: Type.String({ minLength: 3, maxLength: 200, description: "Goes on the ledger" }),
  },
  closed,
);
const NewRoute = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Type.Optional(
      Type.String({ maxLength: 64, description: "`uc_…`; absent: all of the organisation's" }),
    ),
    destination: Type.String({
      pattern: "^[a-z][a-z0-9-]{0,62}$",
      description: "Name of a file of the operator's in ALERT_DESTINATIONS",
    }),
  },
  closed,
);

/** Alerts, silences, and where alerts go. */
export async function alertRoutes(app: FastifyInstance, deps: AlertDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/alerts",
    {
      config: routeConfig("alerts:read", "read"),
      schema: {
        summary: "Alerts with their silences and deliveries, newest first, a hundred at a time",
        tags,
        querystring: Query,
        response: { 200: Type.Object({ alerts: Type.Array(AlertView) }) },
      },
    },
    async (request) => ({ alerts: await readAlerts(deps, request.call, request.query) }),
  );

  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Silence> }>(
    "/v1/alerts/:id/silence",
    {
      config: routeConfig("alerts:manage", "governed"),
      schema: {
        summary: "Send nothing of what an alert is about until an instant",
        tags,
        params: IdParams,
        body: Silence,
        response: { 200: AlertView },
      },
    },
    (request) => silenceAlert(deps, request.call, request.params.id, request.body),
  );
  routeRoutes(app, deps);
}

function routeRoutes(app: FastifyInstance, deps: AlertDeps): void {
  app.get(
    "/v1/alert-routes",
    {
      config: routeConfig("alerts:read", "read"),
      schema: {
        summary: "Where alerts go",
        tags,
        response: { 200: Type.Object({ routes: Type.Array(AlertRoute) }) },
      },
    },
    async (request) => ({ routes: await readRoutes(deps, request.call) }),
  );

  app.post<{ Body: Static<typeof NewRoute> }>(
    "/v1/alert-routes",
    {
      config: routeConfig("alerts:manage", "governed"),
      schema: {
        summary: "Send alerts of a place to one of the operator's destinations",
        tags,
        body: NewRoute,
        response: { 201: AlertRoute },
      },
    },
    async (request, reply) => reply.code(201).send(await addRoute(deps, request.call, request.body)),
  );

  app.delete<{ Params: Static<typeof IdParams> }>(
    "/v1/alert-routes/:id",
    {
      config: routeConfig("alerts:manage", "governed"),
      schema: {
        summary: "Stop sending alerts along a route",
        tags,
        params: IdParams,
        response: { 200: AlertRoute },
      },
    },
    (request) => dropRoute(deps, request.call, request.params.id),
  );
}
