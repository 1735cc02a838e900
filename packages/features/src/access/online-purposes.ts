import type { CallContext, EnvironmentPlace } from "@portolan/kernel";
import { findView } from "../store.ts";
import type { FeatureDeps } from "../views.ts";
import { featureSources } from "./view-sources.ts";

/** Features of a published view that an endpoint reads. */
export interface ReadView {
  /** `name@version`. */
  readonly name: string;
  readonly digest: string;
  readonly features: readonly string[];
}

/** What for the policies on data let the caller read all of these features as they are, sorted; nothing of a view that is not known. */
export async function onlinePurposes(
  { uow, access }: Pick<FeatureDeps, "uow" | "access">,
  call: CallContext,
  views: readonly ReadView[],
  at: EnvironmentPlace,
): Promise<string[]> {
  let common: string[] | undefined;
  for (const { name: reference, digest, features } of views) {
    const [name = "", version = ""] = reference.split("@");
    const stored = await uow.read(call, (sql) =>
      findView(sql, call.actor.organisationId, name, Number(version)),
    );
    if (stored?.digest !== digest) return [];
    const purposes = await access.wholePurposes(call, {
      id: stored.id,
      at,
      contracts: [stored.body.source],
      columns: featureSources(stored.body).filter((column) => features.includes(column.name)),
    });
    common = common ? common.filter((purpose) => purposes.includes(purpose)) : purposes;
  }
  return common ?? [];
}
