import {
  type Authorizer,
  type CallContext,
  type Environment,
  PortolanError,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { ServingErrorCode } from "./errors.ts";
import { type ExistingEndpoint, findEndpoint } from "./store.ts";

/** What the caller may not see is an endpoint that does not exist. */
export async function requireEndpoint(
  { work, authorizer }: { readonly work: UnitOfWork; readonly authorizer: Authorizer },
  call: CallContext,
  action: "serving:halt" | "serving:resume" | "serving:deploy",
  name: string,
  environment: Environment,
): Promise<ExistingEndpoint> {
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) => findEndpoint(sql, organisationId, environment, name));
  const place = { type: "Endpoint", id: name, organisationId, environment };
  const resource = found
    ? {
        ...place,
        businessUnitId: found.route.businessUnitId,
        ...(found.route.teamId ? { teamId: found.route.teamId } : {}),
        useCaseId: found.use_case_id,
      }
    : place;
  await requireSeen(authorizer, call, { action, resource }, () => missing(name, environment));
  if (!found) throw missing(name, environment);
  return found;
}

function missing(name: string, environment: string): PortolanError<ServingErrorCode> {
  return new PortolanError("serving.endpoint_missing", {
    detail: `There is no endpoint ${name} in ${environment}.`,
    mend: "List endpoints with: portolan endpoint list",
  });
}
