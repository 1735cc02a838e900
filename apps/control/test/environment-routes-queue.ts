import { type EnvironmentRoute, found, missingId } from "./environment-route.ts";

/** What people decide about work in the queue, of a run that awaits approval. */
export const queueEnvironmentRoutes: readonly EnvironmentRoute[] = [
  found("POST /v1/queue/:id/approval", "heldRun", missingId("run")),
  // The same one was approved just before.
  {
    ...found("POST /v1/queue/:id/refusal", "heldRun", missingId("run"), { reason: "too large" }),
    seen: 409,
  },
  // It neither runs nor was stopped.
  {
    ...found("POST /v1/queue/:id/keep", "heldRun", missingId("run"), {
      forSeconds: 60,
      reason: "a debugger waits",
    }),
    seen: 409,
  },
  { ...found("POST /v1/queue/:id/resumption", "heldRun", missingId("run")), seen: 409 },
];
