import type { CallContext, UnitOfWork } from "@portolan/kernel";
import { type AskedVariant, type DeployRequest, keepable } from "./endpoint.ts";
import type { Scaling } from "./snapshot/runs-schema.ts";
import { type Deployed, findDeployed } from "./store.ts";

export type KeepablePart = (typeof keepable)[number];

/**
 * A request whose parts that are to be kept stand as they are deployed now; what it states itself goes before, settings of workers one by one, and variants by
 * their kind. Pure.
 *
 * @param deployed of the same endpoint; of another use case's nothing is taken, and the deployment is refused as it is without
 */
export function withKeptParts(
  asked: DeployRequest,
  keep: readonly KeepablePart[],
  deployed: Pick<Deployed, "request" | "useCaseId"> | undefined,
): DeployRequest {
  if (deployed?.useCaseId !== asked.useCaseId) return asked;
  const { request } = deployed;
  const kept = Object.fromEntries(
    keep.filter((part) => request[part] !== undefined).map((part) => [part, request[part]]),
  );
  const { scaling, variants } = asked;
  return {
    ...kept,
    ...asked,
    ...(scaling && keep.includes("scaling") ? { scaling: withKeptSettings(scaling, request.scaling) } : {}),
    ...(variants && keep.includes("variants") ? { variants: withKeptKinds(variants, request.variants) } : {}),
  };
}

/** Shares that are stated leave shadows as they are, and the other way round. */
function withKeptKinds(
  asked: readonly AskedVariant[],
  deployed: readonly AskedVariant[] = [],
): AskedVariant[] {
  const stated = new Set(asked.map(({ kind }) => kind));
  return [...asked, ...deployed.filter(({ kind }) => !stated.has(kind))];
}

function withKeptSettings(asked: Scaling, { idleSeconds, ...deployed }: Partial<Scaling> = {}): Scaling {
  // A model that no longer leaves memory has no time after which it does.
  const idle = asked.minimum > 0 || idleSeconds === undefined ? {} : { idleSeconds };
  return { ...deployed, ...idle, ...asked };
}

/** The same of what is deployed by now, and the deployment that it was taken from: another one in between is a conflict. */
export async function keepingParts(
  { work }: { readonly work: UnitOfWork },
  call: CallContext,
  name: string,
  { asked, keep }: { readonly asked: DeployRequest; readonly keep: readonly KeepablePart[] },
): Promise<{ readonly request: DeployRequest; readonly insteadOf?: string }> {
  if (keep.length === 0) return { request: asked };
  const deployed = await work.read(call, (sql) =>
    findDeployed(sql, call.actor.organisationId, asked.environment, name),
  );
  const request = withKeptParts(asked, keep, deployed);
  return deployed === undefined ? { request } : { request, insteadOf: deployed.deploymentId };
}
