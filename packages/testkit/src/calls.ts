import { type Actor, type CallContext, environments, type Id, newId, systemClock } from "@portolan/kernel";

/** The organisation that tests act in unless they name another. */
export const testOrganisation = "org_00000000000000000000000000" as Id<"organisation">;

export interface CallOptions {
  readonly kind?: Actor["kind"];
  readonly id?: string;
  readonly organisationId?: Id<"organisation">;
  readonly environments?: Actor["environments"];
  readonly scopes?: readonly string[];
  readonly purpose?: string;
  readonly onBehalfOf?: string;
  /** Roles that `testAuthorizer` reads off the call; the real authorizer reads bindings from its database. */
  readonly roles?: readonly string[];
}

const rolesByRequest = new Map<string, readonly string[]>();

/** A caller: by default a user of the test organisation with all environments and no role. */
export function aCall(options: CallOptions = {}): CallContext {
  const requestId = newId("request", systemClock.now());
  rolesByRequest.set(requestId, options.roles ?? []);
  return {
    actor: {
      kind: options.kind ?? "user",
      id: options.id ?? newId("user", systemClock.now()),
      organisationId: options.organisationId ?? testOrganisation,
      environments: options.environments ?? environments,
      ...(options.scopes === undefined ? {} : { scopes: options.scopes }),
    },
    requestId,
    ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
    ...(options.onBehalfOf === undefined ? {} : { onBehalfOf: options.onBehalfOf }),
  };
}

export function rolesOf(call: CallContext): readonly string[] {
  return rolesByRequest.get(call.requestId) ?? [];
}
