import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { type EnvironmentRoute, named } from "./environment-route.ts";
import { usageOf, usageStart } from "./mutating-routes-monitoring.ts";

const usageMonth = formatInstant(asEpochMicros(usageStart)).slice(0, 7);

/** What was used, and budgets. */
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
];
