import { routeConfig } from "@portolan/http-contract";
import type { FastifyInstance } from "fastify";
import { AppliedQuotas, QuotaApplication, QuotaVerdict, QuotaView } from "../contract.ts";
import {
  applyQuotas,
  checkApplication,
  type QuotaDeps,
  readKeptQuotas,
  removeQuotas,
} from "../quotas/keep-quotas.ts";

const tags = ["capacity"];
const path = "/v1/quotas";

/** Who may have how much of the cluster. */
export async function quotaRoutes(app: FastifyInstance, deps: QuotaDeps): Promise<void> {
  app.get(
    path,
    {
      config: routeConfig("capacity:read", "read"),
      schema: {
        summary: "The organisation's quotas, as they are in force",
        tags,
        response: { 200: QuotaView },
      },
    },
    (request) => readKeptQuotas(deps, request.call),
  );
  app.put<{ Body: QuotaApplication }>(
    path,
    {
      config: routeConfig("capacity:write_quotas", "governed"),
      schema: {
        summary: "Put a file of quotas in place of those in force",
        tags,
        body: QuotaApplication,
        response: { 200: AppliedQuotas },
      },
    },
    (request) => applyQuotas(deps, request.call, request.body),
  );
  app.delete(
    path,
    {
      config: routeConfig("capacity:write_quotas", "governed"),
      schema: { summary: "Have no quotas any more", tags, response: { 200: QuotaView } },
    },
    (request) => removeQuotas(deps, request.call),
  );
  app.post<{ Body: QuotaApplication }>(
    `${path}/check`,
    {
      config: routeConfig("capacity:write_quotas", "read"),
      schema: {
        summary: "What a file of quotas would change; changes nothing",
        tags,
        body: QuotaApplication,
        response: { 200: QuotaVerdict },
      },
    },
    (request) => checkApplication(deps, request.call, request.body),
  );
}
