import type { CallContext, Environment } from "./actor.ts";
import { isPortolanError, type PortolanError } from "./errors.ts";
import type { Id } from "./ids.ts";

/** What an action is done to. `id` is the resource's own id or name; absent for "any of this type". */
export interface ResourceRef {
  /** Cedar entity type without namespace, e.g. `Model`, `Charter`, `Endpoint`. */
  readonly type: string;
  readonly id?: string;
  readonly organisationId: Id<"organisation">;
  readonly businessUnitId?: string;
  readonly teamId?: string;
  readonly useCaseId?: string;
  readonly environment?: Environment;
  /** Further facts that policies may test: risk tier, residency, owner. */
  readonly attributes?: Readonly<Record<string, string | boolean | number>>;
}

export type Decision =
  | { readonly allowed: true; readonly policies: readonly string[] }
  | { readonly allowed: false; readonly reason: string };

/**
 * Decides by one policy set; denies by default. Implemented by `identity`, taken by every use case.
 * Action names are `<domain>:<verb>`, e.g. `registry:promote`.
 */
export interface Authorizer {
  decide(call: CallContext, action: string, resource: ResourceRef): Promise<Decision>;
  /**
   * Returns when allowed.
   * @throws PortolanError `identity.forbidden` (403) when the caller may see the resource but not do this,
   * and `kernel.not_found` (404), worded as for a resource that does not exist, when it may not even see it.
   */
  require(call: CallContext, action: string, resource: ResourceRef): Promise<void>;
}

/**
 * Asks, with the record that a refusal leaves; what the caller may not even see is answered in the words for what does
 * not exist, so that the two cannot be told apart.
 */
export async function requireSeen(
  authorizer: Authorizer,
  call: CallContext,
  question: { readonly action: string; readonly resource: ResourceRef },
  missing: () => PortolanError,
): Promise<void> {
  try {
    await authorizer.require(call, question.action, question.resource);
  } catch (error) {
    throw isPortolanError(error) && error.code === "kernel.not_found" ? missing() : error;
  }
}
