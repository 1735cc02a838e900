import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Feedback, FeedbackReceipt, FeedbackSummary } from "../contract.ts";
import { type FeedbackDeps, giveFeedback, readFeedback } from "../give-feedback.ts";

const tags = ["oversight"];
const Query = Type.Object(
  { endpoint: Type.String({ minLength: 1, maxLength: 200 }) },
  { additionalProperties: false },
);

export async function feedbackRoutes(app: FastifyInstance, deps: FeedbackDeps): Promise<void> {
  app.post<{ Body: Feedback }>(
    "/v1/feedback",
    {
      config: routeConfig("feedback:write", "recorded"),
      schema: {
        summary: "Rate an answer, correct it, or say what was done instead",
        tags,
        body: Feedback,
        response: { 200: FeedbackReceipt },
      },
    },
    (request) => giveFeedback(deps, request.call, request.body),
  );
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/feedback",
    {
      config: routeConfig("outcomes:read", "read"),
      schema: {
        summary: "What was said of an endpoint's versions, in numbers",
        tags,
        querystring: Query,
        response: { 200: FeedbackSummary },
      },
    },
    (request) => readFeedback(deps, request.call, request.query.endpoint),
  );
}
