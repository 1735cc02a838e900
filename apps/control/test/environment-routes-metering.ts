import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { type EnvironmentRoute, found, named } from "./environment-route.ts";
import { usageOf, usageStart } from "./mutating-routes-monitoring.ts";

const usageMonth = formatInstant(asEpochMicros(usageStart)).slice(0, 7);

/** What was used, budgets, and what could cost less. */
export const meteringEnvironmentRoutes: readonly EnvironmentRoute[] = [
  { kind: "listed", route: "GET /v1/usage", url: `/v1/usage?level=model&period=${usageMonth}`, of: "usage" },
  {
    kind: "listed",
    route: "GET /v1/usage/records",
    url: `/v1/usage/records?period=${usageMonth}`,
    of: "usage",
  },
  { kind: "shared", route: "GET /v1/budgets", url: "/v1/budgets", why: "each budget asks for production" },
  {
    kind: "shared",
    route: "GET /v1/usage/anomalies",
    url: "/v1/usage/anomalies",
    why: "what may not be seen counts for nobody",
  },
  named("POST /v1/usage/records", (world) => usageOf(world.known.get("useCase") ?? "")),
  {
    kind: "listed",
    route: "GET /v1/use-cases/:id/readiness",
    url: "/v1/use-cases/flight-delays/readiness",
    of: "alertRoute",
  },
  { kind: "listed", route: "GET /v1/recommendations", url: "/v1/recommendations", of: "recommendation" },
  found("POST /v1/recommendations/:id/dismissal", "recommendation", `adv_${"0".repeat(24)}`, {
    reason: "kept on purpose",
  }),
];
