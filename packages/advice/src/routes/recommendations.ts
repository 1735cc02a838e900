import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Dismissal, FollowedRecommendation, RecommendationList } from "../contract.ts";
import { type AdviceDeps, dismissRecommendation, readRecommendations } from "../read-recommendations.ts";

const tags = ["advice"];
const ById = Type.Object({ id: Type.String({ pattern: "^adv_[0-9a-f]{24}$" }) });

/** What could cost less. */
export async function recommendationRoutes(app: FastifyInstance, deps: AdviceDeps): Promise<void> {
  app.get(
    "/v1/recommendations",
    {
      config: routeConfig("advice:read", "read"),
      schema: {
        summary: "What could cost less: evidence, saving and command of each, and what followed ones saved",
        tags,
        response: { 200: RecommendationList },
      },
    },
    (request) => readRecommendations(deps, request.call),
  );
  app.post<{ Params: Static<typeof ById>; Body: Static<typeof Dismissal> }>(
    "/v1/recommendations/:id/dismissal",
    {
      config: routeConfig("advice:dismiss", "governed"),
      schema: {
        summary: "Say why a recommendation is not followed",
        tags,
        params: ById,
        body: Dismissal,
        response: { 200: FollowedRecommendation },
      },
    },
    (request) => dismissRecommendation(deps, request.call, request.params.id, request.body.reason),
  );
}
