import { routeConfig } from "@portolan/http-contract";
import { parseInstant } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { variants } from "../contract.ts";
import { type EraseDeps, ErasureSelector, erasePredictions } from "../control/erase-predictions.ts";
import { listPredictions, provePrediction, type ReadDeps } from "../control/read-predictions.ts";
import { readPrediction, recordAccess } from "../control/record-access.ts";
import type { RecordReadsDeps } from "../control/record-reads.ts";
import { PredictionProof } from "../policy.ts";
import { PredictionView, viewPrediction } from "./views.ts";

const tags = ["predictions"];
const IdParams = Type.Object({ id: Type.String({ maxLength: 120 }) });

const Query = Type.Object(
  {
    useCaseId: Type.Optional(
      Type.String({
        maxLength: 64,
        description: "All that the caller may read of its organisation when absent",
      }),
    ),
    endpoint: Type.Optional(Type.String({ maxLength: 200 })),
    modelVersion: Type.Optional(Type.String({ maxLength: 64 })),
    variant: Type.Optional(Type.Enum([...variants])),
    from: Type.Optional(Type.String({ maxLength: 40, description: "Arrival, RFC 3339, inclusive" })),
    to: Type.Optional(Type.String({ maxLength: 40, description: "Arrival, RFC 3339, inclusive" })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    cursor: Type.Optional(Type.String({ maxLength: 1000, description: "`next` of the page before" })),
  },
  { additionalProperties: false },
);

const Erasure = Type.Object(
  { select: ErasureSelector, reason: Type.String({ minLength: 3, maxLength: 200 }) },
  { additionalProperties: false },
);

/** Reading, proving and erasing accepted predictions. */
export async function predictionRoutes(
  app: FastifyInstance,
  deps: ReadDeps & EraseDeps & RecordReadsDeps,
): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/predictions",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary:
          "Search predictions by use case, endpoint, time, version and variant, newest first; a page may be short, or empty, and name the next",
        tags,
        querystring: Query,
        response: {
          200: Type.Object({ predictions: Type.Array(PredictionView), next: Type.Optional(Type.String()) }),
        },
      },
    },
    async (request) => {
      const { from, to, limit = 100, ...rest } = request.query;
      const range = {
        ...(from === undefined ? {} : { from: parseInstant(from) }),
        ...(to === undefined ? {} : { to: parseInstant(to) }),
      };
      const page = await listPredictions(deps, request.call, { ...rest, ...range, limit });
      await recordAccess(deps, request.call, page.predictions);
      return { ...page, predictions: page.predictions.map(viewPrediction) };
    },
  );

  oneRoutes(app, deps);

  app.post<{ Body: Static<typeof Erasure> }>(
    "/v1/prediction-erasures",
    {
      config: routeConfig("predictions:erase", "governed"),
      schema: {
        summary: "Erase payloads of predictions; records and proofs stay",
        tags,
        body: Erasure,
        response: { 200: Type.Object({ erasureId: Type.String(), erased: Type.Integer() }) },
      },
    },
    (request) => erasePredictions(deps, request.call, request.body.select, request.body.reason),
  );
}

function oneRoutes(app: FastifyInstance, deps: ReadDeps & RecordReadsDeps): void {
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/predictions/:id",
    {
      config: routeConfig("predictions:read", "read"),
      schema: { summary: "Read one prediction", tags, params: IdParams, response: { 200: PredictionView } },
    },
    async (request) => viewPrediction(await readPrediction(deps, request.call, request.params.id)),
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/predictions/:id/proof",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary: "Prove that a prediction is under a ledger row, for checking offline",
        tags,
        params: IdParams,
        response: { 200: PredictionProof },
      },
    },
    async (request) => {
      const { id } = request.params;
      const proof = await provePrediction(deps, request.call, id);
      await readPrediction(deps, request.call, id);
      return proof;
    },
  );
}
