import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Outcome } from "../contract.ts";
import { type AcceptDeps, acceptBlocks } from "../control/accept-blocks.ts";
import { type OutcomeDeps, reportOutcomes } from "../control/report-outcomes.ts";
import { corrupt } from "../format/payload-codec.ts";

const tags = ["predictions"];
// The largest block: its target, and a largest frame of either durability.
const deliveryLimitBytes = 64 * 1024 * 1024;

const Place = Type.Object({ epoch: Type.Integer(), block: Type.Integer() });
const Accepted = Type.Object({
  kind: Type.Literal("accepted"),
  blocks: Type.Integer(),
  duplicates: Type.Integer(),
});
const Gap = Type.Object({ kind: Type.Literal("gap"), last: Type.Optional(Place) });
const Outcomes = Type.Object(
  { outcomes: Type.Array(Outcome, { minItems: 1, maxItems: 10_000 }) },
  { additionalProperties: false },
);
const Report = Type.Object({
  stored: Type.Integer(),
  duplicates: Type.Integer(),
  conflicts: Type.Array(Type.String()),
});

/** What gateways and label sources send. */
export async function deliveryRoutes(app: FastifyInstance, deps: AcceptDeps & OutcomeDeps): Promise<void> {
  const options = { parseAs: "buffer" as const, bodyLimit: deliveryLimitBytes };
  app.addContentTypeParser("application/octet-stream", options, (_request, body, done) => done(null, body));

  app.post(
    "/v1/prediction-blocks",
    {
      bodyLimit: deliveryLimitBytes,
      config: routeConfig("predictions:deliver", "recorded"),
      schema: {
        summary: "Deliver closed blocks of a gateway's prediction log, in order",
        tags,
        consumes: ["application/octet-stream"],
        response: { 200: Type.Union([Accepted, Gap]) },
      },
    },
    async (request) => {
      if (!Buffer.isBuffer(request.body)) throw corrupt("send the blocks as application/octet-stream");
      return await acceptBlocks(deps, request.call, request.body);
    },
  );

  app.post<{ Body: Static<typeof Outcomes> }>(
    "/v1/outcomes",
    {
      bodyLimit: 16 * 1024 * 1024,
      config: routeConfig("outcomes:write", "recorded"),
      schema: {
        summary: "Report what really happened",
        description:
          "Of a prediction's labels the highest revision counts, in whatever order they come. A correction is a higher revision with another outcome, a retraction one with `retracted: true`.",
        tags,
        body: Outcomes,
        response: { 200: Report },
      },
    },
    (request) => reportOutcomes(deps, request.call, request.body.outcomes),
  );
}
