import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { CharterDeps } from "../deps.ts";
import { explanationMarkdown } from "../explain.ts";
import { explainStoredCharter, exportCharterBundle, readCharter, readCharters } from "../read-charters.ts";
import { submitCharter } from "../submit-charter.ts";
import {
  CharterBundle,
  CharterChangeView,
  CharterSummary,
  CharterView,
  charterStatuses,
  ExplainedEstimate,
  ExplainedItem,
  ProductionBlockerView,
  SignatureDemand,
} from "../views.ts";

const tags = ["charter"];
const ById = Type.Object({ id: Type.String({ maxLength: 40 }) });
type ById = Static<typeof ById>;

const Submission = Type.Object(
  {
    source: Type.Optional(Type.String({ maxLength: 200_000, description: "Text of a charter.yaml" })),
    file: Type.Optional(Type.String({ maxLength: 200, description: "Its name, for messages" })),
    document: Type.Optional(Type.Unknown({ description: "The charter as JSON, instead of source" })),
    dryRun: Type.Optional(Type.Boolean({ description: "Check and explain; write nothing" })),
  },
  { additionalProperties: false },
);
type Submission = Static<typeof Submission>;

const Explanation = Type.Object({
  useCase: Type.String(),
  signatures: Type.Array(SignatureDemand),
  items: Type.Array(ExplainedItem),
  estimates: Type.Array(ExplainedEstimate, {
    description: "What a plan reckons with; none of it is enforced",
  }),
  productionBlockers: Type.Array(ProductionBlockerView),
});

const Submitted = Type.Object({
  outcome: Type.Enum(["created", "unchanged", "dry_run"]),
  charterId: Type.Optional(Type.String()),
  useCaseId: Type.String(),
  version: Type.Integer(),
  digest: Type.String(),
  changes: Type.Array(CharterChangeView),
  explanation: Explanation,
});

/** Submitting and reading charters. */
export function chartersRoutes(app: FastifyInstance, deps: CharterDeps): void {
  app.post<{ Body: Submission }>(
    "/v1/charters",
    {
      config: routeConfig("charter:create", "governed"),
      schema: {
        summary: "Submit a charter as a new draft version",
        tags,
        body: Submission,
        response: { 200: Submitted, 201: Submitted },
      },
    },
    async (request, reply) => {
      const { source, file, document, dryRun } = request.body;
      const submission =
        source === undefined ? { document } : { source, ...(file === undefined ? {} : { file }) };
      const submitted = await submitCharter(deps, request.call, submission, { dryRun: dryRun ?? false });
      return reply.code(submitted.outcome === "created" ? 201 : 200).send(submitted);
    },
  );
  listRoute(app, deps);
  app.get<{ Params: ById }>(
    "/v1/charters/:id",
    {
      config: routeConfig("charter:read", "read"),
      schema: {
        summary: "One charter version with its signatures",
        tags,
        params: ById,
        response: { 200: CharterView },
      },
    },
    (request) => readCharter(deps, request.call, request.params.id),
  );
  app.get<{ Params: ById }>(
    "/v1/charters/:id/bundle",
    {
      config: routeConfig("charter:read", "read"),
      schema: {
        summary: "Charter and signatures for offline verification",
        tags,
        params: ById,
        response: { 200: CharterBundle },
      },
    },
    (request) => exportCharterBundle(deps, request.call, request.params.id),
  );
  explainRoute(app, deps);
}

function listRoute(app: FastifyInstance, deps: CharterDeps): void {
  const Filter = Type.Object({
    useCase: Type.Optional(
      Type.String({ maxLength: 63, description: "Name of a use case: all its versions" }),
    ),
    status: Type.Optional(Type.Enum([...charterStatuses])),
  });
  app.get<{ Querystring: Static<typeof Filter> }>(
    "/v1/charters",
    {
      config: routeConfig("charter:read", "read"),
      schema: {
        summary: "Charter versions, by use case and newest first",
        tags,
        querystring: Filter,
        response: { 200: Type.Object({ charters: Type.Array(CharterSummary) }) },
      },
    },
    async (request) => ({ charters: await readCharters(deps, request.call, request.query) }),
  );
}

function explainRoute(app: FastifyInstance, deps: CharterDeps): void {
  const Format = Type.Object({ format: Type.Optional(Type.Enum(["json", "markdown"])) });
  app.get<{ Params: ById; Querystring: Static<typeof Format> }>(
    "/v1/charters/:id/explain",
    {
      config: routeConfig("charter:read", "read"),
      schema: {
        summary: "Everything that follows from each line of a charter",
        tags,
        params: ById,
        querystring: Format,
        response: {
          200: {
            content: {
              "application/json": { schema: Explanation },
              "text/markdown": { schema: Type.String() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const explanation = await explainStoredCharter(deps, request.call, request.params.id);
      return request.query.format === "markdown"
        ? reply.type("text/markdown; charset=utf-8").send(explanationMarkdown(explanation))
        : reply.send(explanation);
    },
  );
}
