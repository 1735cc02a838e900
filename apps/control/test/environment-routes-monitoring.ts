import { systemClock } from "@portolan/kernel";
import { type EnvironmentRoute, found, missingId, named, production } from "./environment-route.ts";

const missing = missingId("inc");
const said = { text: "mine" };

/** Alerts, where they go, and incidents. */
export const monitoringEnvironmentRoutes: readonly EnvironmentRoute[] = [
  { kind: "listed", route: "GET /v1/alerts", url: "/v1/alerts", of: "alert" },
  found("POST /v1/alerts/:id/silence", "alert", missingId("alr"), {
    until: systemClock.now() + 3_600_000_000,
    reason: "labels of Monday",
  }),
  named("POST /v1/alert-routes", { environment: production, destination: "oncall" }),
  { kind: "listed", route: "GET /v1/alert-routes", url: "/v1/alert-routes", of: "alertRoute" },
  found("DELETE /v1/alert-routes/:id", "alertRoute", missingId("art")),
  named("POST /v1/incidents", { environment: production, title: "mine", playbook: "rollback" }),
  { kind: "listed", route: "GET /v1/incidents", url: "/v1/incidents", of: "incident" },
  found("GET /v1/incidents/:id", "incident", missing),
  found("POST /v1/incidents/:id/take", "incident", missing, {}),
  found("POST /v1/incidents/:id/ticks", "incident", missing, { step: "halt", outcome: "done" }),
  found("POST /v1/incidents/:id/notes", "incident", missing, said),
  found("POST /v1/incidents/:id/mitigate", "incident", missing, said),
  // Steps of its playbook are not ticked.
  { ...found("POST /v1/incidents/:id/resolve", "incident", missing, said), seen: 409 },
];
