import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { DataHold } from "../holds/hold-store.ts";
import { type DataHoldDeps, placeDataHold, readDataHolds, releaseDataHold } from "../holds/holds.ts";
import { EnvironmentName } from "../resources.ts";

const tags = ["data"];
const reason = Type.String({ minLength: 3, maxLength: 200 });
const NewHold = Type.Object(
  {
    environment: EnvironmentName,
    contract: Type.Optional(Type.String({ maxLength: 63, description: "All contracts when absent" })),
    useCaseId: Type.Optional(Type.String({ maxLength: 64, description: "All use cases when absent" })),
    reason,
  },
  { additionalProperties: false },
);
const Release = Type.Object({ reason }, { additionalProperties: false });
const IdParams = Type.Object({ id: Type.String({ maxLength: 40 }) });

export const DataHoldView = Type.Object({
  id: Type.String(),
  environment: EnvironmentName,
  contract: Type.Optional(Type.String()),
  useCaseId: Type.Optional(Type.String()),
  reason: Type.String(),
  placedBy: Type.String(),
  placedAt: Type.Integer({ description: "Epoch microseconds" }),
  releasedBy: Type.Optional(Type.String()),
  releasedAt: Type.Optional(Type.Integer({ description: "Epoch microseconds" })),
});
export type DataHoldView = Static<typeof DataHoldView>;

/** Legal holds on data: what they cover is neither erased nor removed by retention. */
export async function dataHoldRoutes(app: FastifyInstance, deps: DataHoldDeps): Promise<void> {
  app.post<{ Body: Static<typeof NewHold> }>(
    "/v1/data-holds",
    {
      config: routeConfig("data:hold", "governed"),
      schema: {
        summary: "Place a legal hold on data of an environment",
        tags,
        body: NewHold,
        response: { 200: DataHoldView },
      },
    },
    async (request) => {
      const { reason: why, ...scope } = request.body;
      return view(await placeDataHold(deps, request.call, scope, why));
    },
  );
  app.get(
    "/v1/data-holds",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "Legal holds on data, newest first, the released ones too",
        tags,
        response: { 200: Type.Object({ holds: Type.Array(DataHoldView) }) },
      },
    },
    async (request) => ({ holds: (await readDataHolds(deps, request.call)).map(view) }),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Release> }>(
    "/v1/data-holds/:id/release",
    {
      config: routeConfig("data:hold", "governed"),
      schema: {
        summary: "Release a legal hold on data",
        tags,
        params: IdParams,
        body: Release,
        response: { 200: DataHoldView },
      },
    },
    async (request) =>
      view(await releaseDataHold(deps, request.call, request.params.id, request.body.reason)),
  );
}

function view(row: DataHold): DataHoldView {
  return {
    id: row.id,
    environment: row.environment,
    ...(row.contract === null ? {} : { contract: row.contract }),
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    reason: row.reason,
    placedBy: row.placed_by,
    placedAt: row.placed_at,
    ...(row.released_by === null ? {} : { releasedBy: row.released_by }),
    ...(row.released_at === null ? {} : { releasedAt: row.released_at }),
  };
}
