import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Explanation, ExplanationBacklog } from "../explain/contract.ts";
import { explainPrediction } from "../explain/explain-prediction.ts";
import { startBackground } from "../explain/make-background.ts";
import type { ExplainDeps } from "../explain/ports.ts";
import { readBacklog } from "../explain/read-backlog.ts";

const IdParams = Type.Object({ id: Type.String({ maxLength: 120 }) });
const Query = Type.Object(
  {
    row: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: "Row of the request" })),
    top: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description:
          "Contributions that are listed; absent: as many as are kept with the prediction, or five",
      }),
    ),
    fixed: Type.Optional(
      Type.String({
        maxLength: 4000,
        description:
          "Columns that nobody can change, with commas between: the counterfactual leaves them alone",
      }),
    ),
    again: Type.Optional(
      Type.Boolean({
        description:
          "Explain it anew where it is kept, from the same model, background and parameters, and say whether that is the same",
      }),
    ),
  },
  { additionalProperties: false },
);

const VersionParams = Type.Object({ model: Type.String(), version: Type.Integer({ minimum: 1 }) });
const Background = Type.Object(
  {
    trainingSetId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 60,
        description: "Rows to explain against; absent: those that the platform trained the version on",
      }),
    ),
  },
  { additionalProperties: false },
);

export async function explanationRoutes(app: FastifyInstance, deps: ExplainDeps): Promise<void> {
  app.get<{ Params: Static<typeof IdParams>; Querystring: Static<typeof Query> }>(
    "/v1/predictions/:id/explanation",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary:
          "Explain one prediction, as it is kept or from its record: contributions of its columns, and the nearest change",
        tags: ["predictions"],
        params: IdParams,
        querystring: Query,
        response: { 200: Explanation },
      },
    },
    (request, reply) => {
      const { row = 0, top, fixed, again = false } = request.query;
      const gone = new AbortController();
      // Whoever has left takes no turn.
      reply.raw.once("close", () => gone.abort());
      const asked = {
        row,
        again,
        ...(top === undefined ? {} : { top }),
        ...(fixed === undefined ? {} : { fixed: fixed.split(",").filter((name) => name !== "") }),
      };
      return explainPrediction(deps, request.call, request.params.id, asked, gone.signal);
    },
  );

  app.get(
    "/v1/explanations",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary: "What charters have explained without anybody asking, and what waits, by endpoint",
        tags: ["predictions"],
        response: { 200: ExplanationBacklog },
      },
    },
    (request) => readBacklog(deps, request.call, deps.clock.now()),
  );

  app.post<{ Params: Static<typeof VersionParams>; Body: Static<typeof Background> }>(
    "/v1/models/:model/versions/:version/explanation-background",
    {
      config: routeConfig("evaluation:run", "governed"),
      schema: {
        summary: "Make what a version's answers are explained against, of a training set's rows",
        tags: ["evaluation"],
        params: VersionParams,
        body: Background,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { model, version } = request.params;
      const job = await startBackground(deps, request.call, { model, version, ...request.body });
      return reply.code(202).send({ job });
    },
  );
}
