import { routeConfig } from "@portolan/http-contract";
import { parseInstant } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import {
  Concluded,
  Conclusion,
  Decision,
  NextRequest,
  NextReview,
  ReviewCase,
  ReviewItem,
  ReviewList,
  ReviewStats,
  reviewStates,
} from "../contract.ts";
import { concludeReview, type DecideDeps, decideReview, openReview, takeNext } from "../decide-review.ts";
import { readReview, readReviewStats, readReviews } from "../read-reviews.ts";

const tags = ["oversight"];
const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });
const EndpointQuery = Type.Optional(Type.String({ maxLength: 200 }));
const ListQuery = Type.Object(
  {
    endpoint: EndpointQuery,
    state: Type.Optional(Type.Enum([...reviewStates], { description: "open when absent" })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  },
  { additionalProperties: false },
);
const Instant = Type.Optional(Type.String({ maxLength: 40, description: "RFC 3339 with an offset" }));
const StatsQuery = Type.Object(
  { endpoint: EndpointQuery, from: Instant, to: Instant },
  { additionalProperties: false },
);

/** The queue of reviews and its figures. */
export async function reviewRoutes(app: FastifyInstance, deps: DecideDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/reviews",
    {
      config: routeConfig("reviews:read", "read"),
      schema: {
        summary: "Reviews that wait for people, the most urgent first; no word of what they are about",
        tags,
        querystring: ListQuery,
        response: { 200: ReviewList },
      },
    },
    (request) => readReviews(deps, request.call, request.query),
  );
  app.get<{ Querystring: Static<typeof StatsQuery> }>(
    "/v1/review-stats",
    {
      config: routeConfig("reviews:read", "read"),
      schema: {
        summary: "How people decide, and agree with each other and with the models",
        tags,
        querystring: StatsQuery,
        response: { 200: ReviewStats },
      },
    },
    (request) => {
      const { endpoint, from, to } = request.query;
      return readReviewStats(deps, request.call, {
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(from === undefined ? {} : { from: parseInstant(from) }),
        ...(to === undefined ? {} : { to: parseInstant(to) }),
      });
    },
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/reviews/:id",
    {
      config: routeConfig("reviews:read", "read"),
      schema: {
        summary: "One review; no word of what it is about",
        tags,
        params: IdParams,
        response: { 200: ReviewItem },
      },
    },
    (request) => readReview(deps, request.call, request.params.id),
  );
  decideRoutes(app, deps);
}

function decideRoutes(app: FastifyInstance, deps: DecideDeps): void {
  const config = routeConfig("reviews:decide", "governed");
  app.post<{ Body: NextRequest }>(
    "/v1/reviews/next",
    {
      config,
      schema: {
        summary: "Take the most urgent review and see its request; each look is on the ledger",
        tags,
        body: NextRequest,
        response: { 200: NextReview },
      },
    },
    async (request) => ({ case: (await takeNext(deps, request.call, request.body)) ?? null }),
  );
  app.post<{ Params: Static<typeof IdParams> }>(
    "/v1/reviews/:id/reads",
    {
      config,
      schema: {
        summary: "Take or see again one review with its request; each look is on the ledger",
        tags,
        params: IdParams,
        response: { 200: ReviewCase },
      },
    },
    (request) => openReview(deps, request.call, request.params.id),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Decision }>(
    "/v1/reviews/:id/decision",
    {
      config,
      schema: {
        summary: "Decide without the model's answer, and see it then",
        tags,
        params: IdParams,
        body: Decision,
        response: { 200: ReviewCase },
      },
    },
    (request) => decideReview(deps, request.call, request.params.id, request.body.value),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Conclusion }>(
    "/v1/reviews/:id/conclusion",
    {
      config,
      schema: {
        summary: "Keep one's decision or take another, with its reason; closes the review",
        tags,
        params: IdParams,
        body: Conclusion,
        response: { 200: Concluded },
      },
    },
    (request) => concludeReview(deps, request.call, request.params.id, request.body),
  );
}
