import type { OnDenied } from "@portolan/identity";
import { isPortolanError } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";

const code = "objectstore.corrupt";
/** Gateways ask again and again for a model that they lack; one row says it as well as thousands. */
const quietMs = 3_600_000;
const mostRemembered = 1000;

/**
 * Keeps a row of class *denied* when stored bytes are not those of their digest any more: somebody asked for a model or a data set, and what lies
 * there is something else. Once an hour for each organisation and object.
 */
export function recordDamagedObjects(app: FastifyInstance, onDenied: OnDenied): void {
  const recordedMs = new Map<string, number>();
  app.addHook("onError", async (request, _reply, error) => {
    if (!isPortolanError(error) || error.code !== code) return;
    const { actor, requestId } = request.call;
    const { action } = request.routeOptions.config;
    const digest = /sha256:[0-9a-f]{64}/.exec(error.detail ?? "")?.[0] ?? request.url;
    const key = `${actor.organisationId} ${digest}`;
    const nowMs = performance.now();
    const before = recordedMs.get(key);
    if (before !== undefined && nowMs - before < quietMs) return;
    if (recordedMs.size >= mostRemembered) recordedMs.clear();
    recordedMs.set(key, nowMs);
    await onDenied({
      kind: "forbidden",
      reason: code,
      requestId,
      ...(action === undefined ? {} : { action }),
      resource: { type: "Artifact", id: digest, organisationId: actor.organisationId },
      principalId: actor.id,
      organisationId: actor.organisationId,
    });
  });
}
