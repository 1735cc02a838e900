import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type OrderDeps, orderErasure, readErasure, readErasures } from "../erasure/order-erasure.ts";
import { ErasureView } from "../erasure/report.ts";
import { EnvironmentName } from "../resources.ts";

const NewErasure = Type.Object(
  {
    subject: Type.String({
      minLength: 1,
      maxLength: 500,
      description: "The data subject, as the sources write it",
    }),
    columns: Type.Optional(
      Type.Array(Type.String({ maxLength: 63 }), {
        maxItems: 20,
        description: "Columns that name the subject beside those that contracts mark with portolan.subject",
      }),
    ),
    environments: Type.Optional(
      Type.Array(EnvironmentName, {
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        description: "By default all in which the caller may erase",
      }),
    ),
    reason: Type.String({
      minLength: 3,
      maxLength: 200,
      description: "Goes on the ledger: name nobody in it",
    }),
    dryRun: Type.Optional(Type.Boolean({ description: "Only say what would go" })),
  },
  { additionalProperties: false },
);
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });

/** Erasure of what is known of a data subject. */
export async function erasureRoutes(app: FastifyInstance, deps: OrderDeps): Promise<void> {
  app.post<{ Body: Static<typeof NewErasure> }>(
    "/v1/data-erasures",
    {
      config: routeConfig("data:erase", "governed"),
      schema: {
        summary:
          "Erase what is known of a data subject in every place, as a durable job; or say what would go",
        tags: ["data"],
        body: NewErasure,
        response: { 202: ErasureView },
      },
    },
    async (request, reply) => reply.code(202).send(await orderErasure(deps, request.call, request.body)),
  );
  app.get(
    "/v1/data-erasures",
    {
      config: routeConfig("data:erase", "read"),
      schema: {
        summary: "Orders of erasure with their reports, newest first",
        tags: ["data"],
        response: { 200: Type.Object({ erasures: Type.Array(ErasureView) }) },
      },
    },
    async (request) => ({ erasures: await readErasures(deps, request.call) }),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/data-erasures/:id",
    {
      config: routeConfig("data:erase", "read"),
      schema: {
        summary: "What an order of erasure found, erased and could not reach",
        tags: ["data"],
        params: IdParams,
        response: { 200: ErasureView },
      },
    },
    (request) => readErasure(deps, request.call, request.params.id),
  );
}
