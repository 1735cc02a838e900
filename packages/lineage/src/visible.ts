import type { Authorizer, CallContext, UnitOfWork } from "@portolan/kernel";
import { questionOf } from "./audience.ts";
import { listAudiences } from "./store/nodes.ts";

export interface ReadDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
}

/**
 * The audiences that the caller belongs to. Everything that is read is read through them: what the caller may not see is not in the
 * graph, and no path leads through it.
 */
export async function visibleAudiences({ work, authorizer }: ReadDeps, call: CallContext): Promise<number[]> {
  const all = await work.read(call, (sql) => listAudiences(sql, call.actor.organisationId));
  const visible: number[] = [];
  for (const { id, ...audience } of all) {
    const { action, resource } = questionOf(call, audience);
    if ((await authorizer.decide(call, action, resource)).allowed) visible.push(id);
  }
  return visible;
}
