import type { CallContext, Environment, ResourceRef } from "@portolan/kernel";

/**
 * Who may read a statement: whoever may do the action on such a resource at this place. What Portolan states of its own things has the audience
 * of the thing itself; what other tools report has that of the place they report for.
 */
export interface Audience {
  readonly action: string;
  /** Type of the resource, as the authorizer knows it. */
  readonly resource: string;
  readonly environment?: Environment;
  readonly teamId?: string;
  readonly useCaseId?: string;
}

/** The question to the authorizer that an audience stands for. */
export function questionOf(
  { actor }: CallContext,
  { action, resource, ...place }: Audience,
): { readonly action: string; readonly resource: ResourceRef } {
  return { action, resource: { type: resource, organisationId: actor.organisationId, ...place } };
}
