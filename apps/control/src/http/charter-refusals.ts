import type { OnDenied } from "@portolan/identity";
import { isPortolanError } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";

/** Refusals for want of a charter. Those under a charter that is in force leave a governed row of their own. */
const refusedForCharter: readonly string[] = [
  "registry.charter_missing",
  "charter.not_in_force",
  "serving.charter_required",
];

/**
 * Keeps a row of class *denied* for everything that is refused because no charter is in force: somebody wanted it, and the record
 * says who. In one place, whichever domain refuses.
 */
export function recordCharterRefusals(app: FastifyInstance, onDenied: OnDenied): void {
  app.addHook("onError", async (request, _reply, error) => {
    if (!isPortolanError(error) || !refusedForCharter.includes(error.code)) return;
    const { action } = request.routeOptions.config;
    const { actor, requestId } = request.call;
    await onDenied({
      kind: "forbidden",
      reason: error.code,
      requestId,
      ...(action === undefined ? {} : { action }),
      resource: {
        type: "Charter",
        id: `${request.method} ${request.url.split("?")[0] ?? ""}`,
        organisationId: actor.organisationId,
      },
      principalId: actor.id,
      organisationId: actor.organisationId,
    });
  });
}
