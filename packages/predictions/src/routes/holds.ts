import { routeConfig } from "@portolan/http-contract";
import { asEpochMicros, environments, formatInstant, parseInstant } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { HoldRow } from "../control/hold-store.ts";
import { type HoldDeps, placeHold, readHolds, releaseHold } from "../control/holds.ts";

const tags = ["predictions"];
const reason = Type.String({ minLength: 3, maxLength: 200 });
const instant = Type.String({ maxLength: 40, description: "Arrival, RFC 3339, inclusive" });

const NewHold = Type.Object(
  {
    environment: Type.Enum([...environments]),
    useCaseId: Type.Optional(Type.String({ maxLength: 64, description: "All use cases when absent" })),
    endpoint: Type.Optional(Type.String({ maxLength: 200, description: "All endpoints when absent" })),
    from: Type.Optional(instant),
    to: Type.Optional(instant),
    reason,
  },
  { additionalProperties: false },
);
const Release = Type.Object({ reason }, { additionalProperties: false });
const IdParams = Type.Object({ id: Type.String({ maxLength: 40 }) });

export const HoldView = Type.Object({
  id: Type.String(),
  environment: Type.Enum([...environments]),
  useCaseId: Type.Optional(Type.String()),
  endpoint: Type.Optional(Type.String()),
  from: Type.Optional(Type.String()),
  to: Type.Optional(Type.String()),
  reason: Type.String(),
  placedBy: Type.String(),
  placedAt: Type.String(),
  releasedBy: Type.Optional(Type.String()),
  releasedAt: Type.Optional(Type.String()),
});
export type HoldView = Static<typeof HoldView>;

/** Legal holds: what they cover is neither erased nor expires. */
export async function holdRoutes(app: FastifyInstance, deps: HoldDeps): Promise<void> {
  app.post<{ Body: Static<typeof NewHold> }>(
    "/v1/prediction-holds",
    {
      config: routeConfig("predictions:hold", "governed"),
      schema: {
        summary: "Place a legal hold on prediction records of an environment",
        tags,
        body: NewHold,
        response: { 200: HoldView },
      },
    },
    async (request) => {
      const { reason: why, from, to, ...rest } = request.body;
      const range = {
        ...(from === undefined ? {} : { from: parseInstant(from) }),
        ...(to === undefined ? {} : { to: parseInstant(to) }),
      };
      return view(await placeHold(deps, request.call, { ...rest, ...range }, why));
    },
  );

  app.get(
    "/v1/prediction-holds",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary: "Legal holds, newest first, the released ones too",
        tags,
        response: { 200: Type.Object({ holds: Type.Array(HoldView) }) },
      },
    },
    async (request) => ({ holds: (await readHolds(deps, request.call)).map(view) }),
  );

  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Release> }>(
    "/v1/prediction-holds/:id/release",
    {
      config: routeConfig("predictions:hold", "governed"),
      schema: {
        summary: "Release a legal hold",
        tags,
        params: IdParams,
        body: Release,
        response: { 200: HoldView },
      },
    },
    async (request) => view(await releaseHold(deps, request.call, request.params.id, request.body.reason)),
  );
}

function view(row: HoldRow): HoldView {
  return {
    id: row.id,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    ...(row.endpoint === null ? {} : { endpoint: row.endpoint }),
    ...(row.from_at === null ? {} : { from: text(row.from_at) }),
    ...(row.to_at === null ? {} : { to: text(row.to_at) }),
    reason: row.reason,
    placedBy: row.placed_by,
    placedAt: text(row.placed_at),
    ...(row.released_by === null ? {} : { releasedBy: row.released_by }),
    ...(row.released_at === null ? {} : { releasedAt: text(row.released_at) }),
  };
}

function text(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
