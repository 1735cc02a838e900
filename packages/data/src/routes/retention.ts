import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { EnvironmentName } from "../resources.ts";
import { applyRetentionNow, type RetentionDeps } from "../retention/apply-retention.ts";
import { endDataset } from "../retention/end-dataset.ts";

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
const Expired = Type.Object({
  kind: Type.Union([Type.Literal("dataset"), Type.Literal("ingestion")]),
  id: Type.String(),
  contract: Type.String(),
  environment: Type.String(),
  since: Type.Integer({ description: "When its batch came, epoch microseconds" }),
  heldBy: Type.Array(Type.String(), { description: "Legal holds that keep it all the same" }),
});
export type ExpiredView = Static<typeof Expired>;
export const RetentionRound = Type.Object({ dryRun: Type.Boolean(), expired: Type.Array(Expired) });
export type RetentionRound = Static<typeof RetentionRound>;

const Ending = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 500, description: "For the record" }) },
  { additionalProperties: false },
);
const DatasetParams = Type.Object({ id: Type.String({ maxLength: 100 }) });

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
  app.post<{ Params: Static<typeof DatasetParams>; Body: Static<typeof Ending> }>(
    "/v1/datasets/:id/expiry",
    {
      config: routeConfig("data:apply_retention", "governed"),
      schema: {
        summary: "Remove one snapshot before its contract does, such as a copy of another one",
        tags: ["data"],
        params: DatasetParams,
        body: Ending,
        response: { 200: Expired },
      },
    },
    async ({ call, params: { id }, body: { reason } }) => {
      const ended = await endDataset(deps, call, id, reason);
      return { ...ended, heldBy: [...ended.heldBy] };
    },
  );
}
