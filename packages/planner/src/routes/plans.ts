import { routeConfig } from "@portolan/http-contract";
import { PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { PlanDocument } from "../plan-json.ts";
import { makePlan, type PlannerDeps, type PlanRequest, readPlan } from "../plans.ts";
import { renderPlan } from "../render-plan.ts";
import type { StoredPlan } from "../store.ts";

const tags = ["planner"];
const closed = { additionalProperties: false } as const;
const Figure = Type.Optional(Type.Number({ minimum: 0, maximum: 1e15 }));

const Body = Type.Object(
  {
    charterId: Type.Optional(Type.String({ maxLength: 40, description: "A submitted charter version" })),
    source: Type.Optional(Type.String({ maxLength: 200_000, description: "Or the text of a charter.yaml" })),
    file: Type.Optional(Type.String({ maxLength: 200 })),
    measurements: Type.Optional(
      Type.Object(
        {
          averageRequestsPerSecond: Figure,
          recordBytes: Figure,
          modelBytes: Figure,
          cpuMsPerPrediction: Figure,
          cpuLatencyMsP95: Figure,
          cardBatchMs: Figure,
          cardRequestMs: Figure,
          trainingRunMs: Figure,
          trainingDataBytes: Figure,
        },
        closed,
      ),
    ),
    presentFiles: Type.Optional(Type.Array(Type.String({ maxLength: 300 }), { maxItems: 1000 })),
    assume: Type.Optional(
      Type.Array(Type.String({ maxLength: 160 }), {
        maxItems: 200,
        description: "name=value or name=low..expected..high, by the keys of a plan's assumptions",
      }),
    ),
    prices: Type.Optional(
      Type.String({ maxLength: 2_000_000, description: "Text of a price file of your own" }),
    ),
  },
  closed,
);
type Body = Static<typeof Body>;

const Kept = Type.Object({
  id: Type.String(),
  charterId: Type.Optional(Type.String()),
  charterDigest: Type.String(),
  planDigest: Type.String(),
  createdAt: Type.Integer(),
  createdBy: Type.String(),
  plan: PlanDocument,
});

const ById = Type.Object({ id: Type.String({ maxLength: 40 }) });
const Format = Type.Object({ format: Type.Optional(Type.Enum(["json", "text"])) });

/** Making and reading plans. */
export function planRoutes(app: FastifyInstance, deps: PlannerDeps): void {
  app.post<{ Body: Body }>(
    "/v1/plans",
    {
      config: routeConfig("plan:create", "governed"),
      schema: {
        summary: "Plan a charter: costs, placement, gaps; the plan is kept",
        tags,
        body: Body,
        response: { 201: Kept },
      },
    },
    async (request, reply) =>
      reply.code(201).send(kept(await makePlan(deps, request.call, toRequest(request.body)))),
  );
  app.get<{ Params: Static<typeof ById>; Querystring: Static<typeof Format> }>(
    "/v1/plans/:id",
    {
      config: routeConfig("plan:read", "read"),
      schema: {
        summary: "A kept plan, as JSON or text",
        tags,
        params: ById,
        querystring: Format,
        response: {
          200: { content: { "application/json": { schema: Kept }, "text/plain": { schema: Type.String() } } },
        },
      },
    },
    async (request, reply) => {
      const stored = await readPlan(deps, request.call, request.params.id);
      return request.query.format === "text"
        ? reply.type("text/plain; charset=utf-8").send(renderPlan(stored.plan))
        : reply.send(kept(stored));
    },
  );
}

function toRequest({
  charterId,
  source,
  file,
  measurements,
  presentFiles,
  assume,
  prices,
}: Body): PlanRequest {
  if ((charterId === undefined) === (source === undefined)) {
    throw new PortolanError("kernel.bad_request", {
      detail: "a plan is made of one charter",
      mend: "Send either charterId or source.",
    });
  }
  return {
    charter:
      charterId === undefined
        ? { source: source ?? "", ...(file === undefined ? {} : { file }) }
        : { charterId },
    ...(measurements ? { measurements } : {}),
    ...(presentFiles ? { facts: { presentFiles } } : {}),
    ...(assume ? { assume } : {}),
    ...(prices === undefined ? {} : { prices }),
  };
}

function kept(stored: StoredPlan): Static<typeof Kept> {
  const { id, charterId, charterDigest, planDigest, createdAt, createdBy, plan } = stored;
  return {
    id,
    ...(charterId === undefined ? {} : { charterId }),
    charterDigest,
    planDigest,
    createdAt,
    createdBy,
    plan,
  };
}
