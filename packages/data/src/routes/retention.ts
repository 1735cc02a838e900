import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { EnvironmentName } from "../resources.ts";
import { applyRetentionNow, type RetentionDeps } from "../retention/apply-retention.ts";

const NewRound = Type.Object(
  {
    dryRun: Type.Boolean({ default: true, description: "Only say what would go" }),
    environments: Type.Optional(
      Type.Array(EnvironmentName, {
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        description: "By default all in which the caller may",
      }),
    ),
  },
  { additionalProperties: false },
);
export const RetentionRound = Type.Object({
  dryRun: Type.Boolean(),
  expired: Type.Array(
    Type.Object({
      kind: Type.Union([Type.Literal("dataset"), Type.Literal("ingestion")]),
      id: Type.String(),
      contract: Type.String(),
      environment: Type.String(),
      since: Type.Integer({ description: "When its batch came, epoch microseconds" }),
      heldBy: Type.Array(Type.String(), { description: "Legal holds that keep it all the same" }),
    }),
  ),
});
export type RetentionRound = Static<typeof RetentionRound>;

/** What contracts keep no longer. */
export async function retentionRoutes(app: FastifyInstance, deps: RetentionDeps): Promise<void> {
  app.post<{ Body: Static<typeof NewRound> }>(
    "/v1/data-retention",
    {
      config: routeConfig("data:apply_retention", "governed"),
      schema: {
        summary: "Remove data that is older than its contract keeps it, or say what would go",
        tags: ["data"],
        body: NewRound,
        response: { 200: RetentionRound },
      },
    },
    async (request) => {
      const { dryRun } = request.body;
      const found = await applyRetentionNow(deps, request.call, request.body);
      return { dryRun, expired: found.map((one) => ({ ...one, heldBy: [...one.heldBy] })) };
    },
  );
}
