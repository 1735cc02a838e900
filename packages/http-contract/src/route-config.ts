import type { CallContext } from "@portolan/kernel";
import type {} from "fastify";

/**
 * What the ledger keeps of a route's calls (DESIGN: three classes).
 * `governed`: the use case writes its own row in the transaction of the effect.
 * `recorded`: telemetry; one digest leaf per batch.
 * `read`: changes nothing; only denials are kept.
 */
export type LedgerClass = "governed" | "recorded" | "read";

declare module "fastify" {
  interface FastifyContextConfig {
    /** `<domain>:<verb>` that the caller's policy must allow, or `public` for the few open routes. */
    action?: string;
    ledger?: LedgerClass;
  }
  /** OpenAPI members, read by `@fastify/swagger`. */
  interface FastifySchema {
    summary?: string;
    description?: string;
    tags?: readonly string[];
    consumes?: readonly string[];
    produces?: readonly string[];
    hide?: boolean;
  }
  interface FastifyRequest {
    /** Set by control's authentication before any handler of a non-public route runs. */
    call: CallContext;
  }
}

/** The declaration that every route carries: `{ config: routeConfig("registry:promote", "governed") }`. */
export function routeConfig(
  action: string,
  ledger: LedgerClass,
): { readonly action: string; readonly ledger: LedgerClass } {
  return { action, ledger };
}

/** An open route: health, keys, public proofs. */
export const publicRoute = { action: "public", ledger: "read" } as const;
