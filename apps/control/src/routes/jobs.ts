import {
  type Database,
  getJob,
  type JobPlace,
  type JobQueue,
  jobStates,
  listJobPlaces,
  listJobs,
  readJobLog,
} from "@portolan/database";
import { routeConfig } from "@portolan/http-contract";
import {
  type Authorizer,
  type CallContext,
  PortolanError,
  type ResourceRef,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";

const JobView = Type.Object({
  id: Type.String(),
  queue: Type.String(),
  key: Type.Optional(Type.String()),
  state: Type.Enum([...jobStates]),
  progress: Type.Number(),
  note: Type.String(),
  payload: Type.Unknown(),
  attempts: Type.Integer(),
  cancelRequested: Type.Boolean(),
  requestedBy: Type.String(),
  createdAt: Type.Integer(),
  startedAt: Type.Optional(Type.Integer()),
  finishedAt: Type.Optional(Type.Integer()),
  result: Type.Optional(Type.Unknown()),
  error: Type.Optional(Type.String()),
});
const LogLine = Type.Object({ number: Type.Integer(), at: Type.Integer(), line: Type.String() });
const ById = Type.Object({ id: Type.String({ maxLength: 60 }) });
type ById = Static<typeof ById>;
const Filter = Type.Object({
  queue: Type.Optional(Type.String({ maxLength: 60 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});

export interface JobRouteDeps {
  readonly database: Database;
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly jobs: JobQueue;
}

/** Durable jobs: every long piece of work, whichever domain started it. */
export async function jobRoutes(app: FastifyInstance, deps: JobRouteDeps): Promise<void> {
  readRoutes(app, deps);
  app.post<{ Params: ById }>(
    "/v1/jobs/:id/cancellation",
    {
      config: routeConfig("jobs:cancel", "governed"),
      schema: {
        summary: "Ask a job to stop; finished steps stay done",
        tags: ["jobs"],
        params: ById,
        response: { 202: Type.Object({ id: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await requireJob(deps, request.call, "jobs:cancel", id);
      await deps.work.write(request.call, async (tx) => {
        await deps.jobs.cancel(tx, id);
        await tx.record({ event: "jobs.cancellation.requested", subject: id });
      });
      return reply.code(202).send({ id });
    },
  );
}

function readRoutes(app: FastifyInstance, deps: JobRouteDeps): void {
  app.get<{ Querystring: Static<typeof Filter> }>(
    "/v1/jobs",
    {
      config: routeConfig("jobs:read", "read"),
      schema: {
        summary: "Jobs that the caller may see, newest first",
        tags: ["jobs"],
        querystring: Filter,
        response: { 200: Type.Object({ jobs: Type.Array(JobView) }) },
      },
    },
    async (request) => {
      const { organisationId } = request.call.actor;
      const places = await readablePlaces(deps, request.call);
      return { jobs: await listJobs(deps.database.sql, { organisationId, places, ...request.query }) };
    },
  );
  app.get<{ Params: ById }>(
    "/v1/jobs/:id",
    {
      config: routeConfig("jobs:read", "read"),
      schema: {
        summary: "One job: state, progress, result",
        tags: ["jobs"],
        params: ById,
        response: { 200: JobView },
      },
    },
    async (request) => requireJob(deps, request.call, "jobs:read", request.params.id),
  );
  app.get<{ Params: ById; Querystring: { after?: number } }>(
    "/v1/jobs/:id/log",
    {
      config: routeConfig("jobs:read", "read"),
      schema: {
        summary: "Log lines of a job, in order",
        tags: ["jobs"],
        params: ById,
        querystring: Type.Object({ after: Type.Optional(Type.Integer({ minimum: 0 })) }),
        response: { 200: Type.Object({ lines: Type.Array(LogLine) }) },
      },
    },
    async (request) => {
      await requireJob(deps, request.call, "jobs:read", request.params.id);
      const { organisationId } = request.call.actor;
      return {
        lines: await readJobLog(deps.database.sql, organisationId, request.params.id, request.query.after),
      };
    },
  );
}

/** Jobs are seen where their work is: who works for one team sees its jobs and no other's. */
async function readablePlaces(deps: JobRouteDeps, call: CallContext): Promise<JobPlace[]> {
  const places = await listJobPlaces(deps.database.sql, call.actor.organisationId);
  const decisions = await Promise.all(
    places.map((place) => deps.authorizer.decide(call, "jobs:read", jobResource(call, place))),
  );
  return places.filter((_, index) => decisions[index]?.allowed);
}

async function requireJob(deps: JobRouteDeps, call: CallContext, action: string, id: string) {
  const missing = () => new PortolanError("kernel.not_found", { detail: `there is no job ${id}` });
  const job = await getJob(deps.database.sql, call.actor.organisationId, id);
  if (!job) throw missing();
  await requireSeen(deps.authorizer, call, { action, resource: jobResource(call, job.place, id) }, missing);
  return job;
}

function jobResource(call: CallContext, place: JobPlace, id?: string): ResourceRef {
  const { organisationId } = call.actor;
  return { type: "Job", organisationId, ...place, ...(id === undefined ? {} : { id }) };
}
