import { type CallContext, type Environment, environments } from "./actor.ts";
import type { Authorizer, ResourceRef } from "./authorizer.ts";

/**
 * The environments in which the caller may do the action on a resource; for lists, and for work in whichever there are. Refused,
 * with a row, when there are none.
 *
 * @throws what `Authorizer.require` throws
 */
export async function environmentsAllowing(
  authorizer: Authorizer,
  call: CallContext,
  action: string,
  resource: Omit<ResourceRef, "environment">,
): Promise<Environment[]> {
  const allowing: Environment[] = [];
  for (const environment of environments) {
    const { allowed } = await authorizer.decide(call, action, { ...resource, environment });
    if (allowed) allowing.push(environment);
  }
  if (allowing.length > 0) return allowing;
  const [environment = "production"] = call.actor.environments;
  await authorizer.require(call, action, { ...resource, environment });
  return [];
}
