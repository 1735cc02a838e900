import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import {
  IncidentState,
  IncidentSummary,
  IncidentView,
  PlaybookName,
  TickOutcome,
} from "../incidents/incident-schema.ts";
import {
  type IncidentDeps,
  mitigateIncident,
  noteIncident,
  openIncident,
  readIncident,
  readIncidents,
  resolveIncident,
  takeIncident,
  tickStep,
} from "../incidents/incidents.ts";

const tags = ["monitoring"];
const closed = { additionalProperties: false } as const;
const EnvironmentName = Type.Enum([...environments]);
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
const Name = Type.String({ minLength: 1, maxLength: 200 });
const Text = Type.String({ minLength: 1, maxLength: 4000 });

const Query = Type.Object(
  {
    state: Type.Optional(IncidentState),
    environment: Type.Optional(EnvironmentName),
    after: Type.Optional(
      Type.String({
        maxLength: 60,
        description: "`next` of the page before: those that are older",
      }),
    ),
  },
  closed,
);
const IncidentPage = Type.Object({
  incidents: Type.Array(IncidentSummary),
  next: Type.Optional(
    Type.String({
      description:
        "`after` of the next page; absent: it was the last. A page may hold fewer, even none, and have a next one: a request looks through a thousand incidents",
    }),
  ),
});
const NewIncident = Type.Object(
  {
    alertId: Type.Optional(Type.String({ maxLength: 60, description: "`alr_…`; absent: by hand" })),
    environment: Type.Optional(EnvironmentName),
    endpoint: Type.Optional(Name),
    title: Type.Optional(Type.String({ minLength: 3, maxLength: 200 })),
    startedAt: Type.Optional(
      Type.Integer({ minimum: 0, description: "When it began, epoch microseconds; absent: now" }),
    ),
    playbook: PlaybookName,
    model: Type.Optional(Name),
    version: Type.Optional(Name),
    apiKeyId: Type.Optional(Name),
    actorId: Type.Optional(Name),
  },
  closed,
);
const Words = Type.Object({ text: Text }, closed);
const NewTick = Type.Object(
  { step: Name, outcome: TickOutcome, text: Type.Optional(Type.String({ maxLength: 4000 })) },
  closed,
);
const Nothing = Type.Object({}, closed);

/** Incidents: their record, and what is done about them. */
export async function incidentRoutes(app: FastifyInstance, deps: IncidentDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/incidents",
    {
      config: routeConfig("incidents:read", "read"),
      schema: {
        summary: "Incidents with their response times, newest first, a hundred at a time",
        tags,
        querystring: Query,
        response: { 200: IncidentPage },
      },
    },
    (request) => readIncidents(deps, request.call, request.query),
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/incidents/:id",
    {
      config: routeConfig("incidents:read", "read"),
      schema: {
        summary: "An incident: its record in order, and the steps of its playbook with who ticked them",
        tags,
        params: IdParams,
        response: { 200: IncidentView },
      },
    },
    (request) => readIncident(deps, request.call, request.params.id),
  );

  app.post<{ Body: Static<typeof NewIncident> }>(
    "/v1/incidents",
    {
      config: routeConfig("incidents:manage", "governed"),
      schema: {
        summary: "Open the record of an incident: of an alert, or by hand of an environment",
        tags,
        body: NewIncident,
        response: { 201: IncidentView },
      },
    },
    async (request, reply) => reply.code(201).send(await openIncident(deps, request.call, request.body)),
  );
  stepRoutes(app, deps);
}

function stepRoutes(app: FastifyInstance, deps: IncidentDeps): void {
  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Nothing> }>(
    "/v1/incidents/:id/take",
    {
      config: routeConfig("incidents:manage", "governed"),
      schema: {
        summary: "Answer for an incident from now on",
        tags,
        params: IdParams,
        body: Nothing,
        response: { 200: IncidentView },
      },
    },
    (request) => takeIncident(deps, request.call, request.params.id),
  );

  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof NewTick> }>(
    "/v1/incidents/:id/ticks",
    {
      config: routeConfig("incidents:manage", "governed"),
      schema: {
        summary: "Tick a step of the playbook: done, failed, or skipped",
        tags,
        params: IdParams,
        body: NewTick,
        response: { 200: IncidentView },
      },
    },
    (request) => tickStep(deps, request.call, request.params.id, request.body),
  );

  const said = [
    ["notes", "Add to the record what was seen or done", noteIncident],
    ["mitigate", "Say that an incident does no more harm", mitigateIncident],
    [
      "resolve",
      "Say that an incident is over: why it came, and what keeps it from coming again",
      resolveIncident,
    ],
  ] as const;
  for (const [name, summary, change] of said)
    app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Words> }>(
      `/v1/incidents/:id/${name}`,
      {
        config: routeConfig("incidents:manage", "governed"),
        schema: { summary, tags, params: IdParams, body: Words, response: { 200: IncidentView } },
      },
      (request) => change(deps, request.call, request.params.id, request.body.text),
    );
}
