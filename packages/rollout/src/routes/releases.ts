import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { approveRelease, pauseRelease, resumeRelease, rollBackRelease } from "../change-release.ts";
import { EventReceipt, EventReport, Release, ReleaseList, ReleaseRequest } from "../contract.ts";
import { readRelease, readReleases } from "../read-releases.ts";
import { type ReportDeps, reportEvents } from "../report-events.ts";
import { type RolloutDeps, startRelease } from "../start-release.ts";

const tags = ["releases"];
const EndpointParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const ReleaseParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });
const RollBackBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500, description: "Why; it is on the ledger" }) },
  { additionalProperties: false },
);

export async function releaseRoutes(app: FastifyInstance, deps: ReportDeps): Promise<void> {
  app.post<{ Params: Static<typeof EndpointParams>; Body: ReleaseRequest }>(
    "/v1/endpoints/:name/releases",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "Release a version at an endpoint, step by step",
        tags,
        params: EndpointParams,
        body: ReleaseRequest,
        response: { 201: Release },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await startRelease(deps, request.call, request.params.name, request.body)),
  );

  app.get<{ Params: Static<typeof EndpointParams> }>(
    "/v1/endpoints/:name/releases",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "Releases of an endpoint, newest first",
        tags,
        params: EndpointParams,
        response: { 200: ReleaseList },
      },
    },
    async (request) => ({ releases: await readReleases(deps, request.call, request.params.name) }),
  );

  app.get<{ Params: Static<typeof ReleaseParams> }>(
    "/v1/releases/:id",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "Where a release stands, and its evidence",
        tags,
        params: ReleaseParams,
        response: { 200: Release },
      },
    },
    (request) => readRelease(deps, request.call, request.params.id),
  );
  changeRoutes(app, deps);
  eventRoute(app, deps);
}

function eventRoute(app: FastifyInstance, deps: ReportDeps): void {
  app.post<{ Params: Static<typeof ReleaseParams>; Body: EventReport }>(
    "/v1/releases/:id/events",
    {
      config: routeConfig("outcomes:write", "recorded"),
      schema: {
        summary: "Report harmful events of a release's predictions, such as support tickets",
        tags,
        params: ReleaseParams,
        body: EventReport,
        response: { 200: EventReceipt },
      },
    },
    (request) => reportEvents(deps, request.call, request.params.id, request.body),
  );
}

const changes = [
  ["approvals", "rollout:approve", "Approve a release that somebody else asked for", approveRelease],
  ["pause", "serving:deploy", "Keep a release from moving on", pauseRelease],
  ["resume", "serving:deploy", "Let a paused release go on", resumeRelease],
] as const;

function changeRoutes(app: FastifyInstance, deps: RolloutDeps): void {
  for (const [path, action, summary, change] of changes)
    app.post<{ Params: Static<typeof ReleaseParams> }>(
      `/v1/releases/:id/${path}`,
      {
        config: routeConfig(action, "governed"),
        schema: { summary, tags, params: ReleaseParams, response: { 200: Release } },
      },
      (request) => change(deps, request.call, request.params.id),
    );

  app.post<{ Params: Static<typeof ReleaseParams>; Body: Static<typeof RollBackBody> }>(
    "/v1/releases/:id/rollback",
    {
      config: routeConfig("serving:deploy", "governed"),
      schema: {
        summary: "Take the endpoint back to the version that was its champion",
        tags,
        params: ReleaseParams,
        body: RollBackBody,
        response: { 200: Release },
      },
    },
    (request) => rollBackRelease(deps, request.call, request.params.id, request.body.reason),
  );
}
