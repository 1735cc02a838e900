import type { RowsAccess } from "@portolan/data/contract";
import { onlinePurposes, type ReadView } from "@portolan/features";
import type { GatewayGrants } from "@portolan/identity/contract";
import type { CallContext, Environment, UnitOfWork } from "@portolan/kernel";

/** An endpoint as serving names it to whoever makes the grants. */
interface GrantedEndpoint {
  readonly endpoint: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly teamId: string | null;
  readonly views: readonly ReadView[];
}

/** The grants with what for each reader of features may read them: a gateway asks nobody. */
export async function withReadPurposes(
  deps: { readonly uow: UnitOfWork; readonly access: RowsAccess },
  call: CallContext,
  grants: GatewayGrants,
  known: readonly GrantedEndpoint[],
): Promise<GatewayGrants> {
  const kinds = new Map(grants.principals.map(({ id, kind }) => [id, kind]));
  const endpoints = await Promise.all(
    grants.endpoints.map(async (grant) => {
      const endpoint = known.find((one) => one.endpoint === grant.endpoint);
      if (!grant.readers || !endpoint) return grant;
      const { environment, useCaseId, teamId, views } = endpoint;
      const at = { environment, useCaseId, ...(teamId === null ? {} : { teamId }) };
      const readPurposes: Record<string, string[]> = {};
      for (const id of grant.readers) {
        const actor = { ...call.actor, kind: kinds.get(id) ?? "service_account", id };
        readPurposes[id] = await onlinePurposes(deps, { ...call, actor }, views, at);
      }
      return { ...grant, readPurposes };
    }),
  );
  return { ...grants, endpoints };
}
