import { type Authorizer, type CallContext, PortolanError, type ResourceRef } from "@portolan/kernel";
import { rolesOf } from "./calls.ts";

/** One thing that was asked of a test authorizer. */
export interface AuthorizerQuestion {
  readonly call: CallContext;
  readonly action: string;
  readonly resource: ResourceRef;
  readonly allowed: boolean;
}

export interface TestAuthorizer extends Authorizer {
  /** Everything asked so far, in order: tests assert that a use case did ask. */
  readonly questions: readonly AuthorizerQuestion[];
}

/**
 * Denies by default; `grants` names the actions of each role (`"*"` for all), and `aCall({ roles })` the roles.
 * `hidden` actions answer as if the resource did not exist. For tests of use cases; the real policy set has its own.
 */
export function testAuthorizer(
  grants: Readonly<Record<string, readonly string[]>>,
  options: { readonly hidden?: readonly string[] } = {},
): TestAuthorizer {
  const questions: AuthorizerQuestion[] = [];
  /** The two walls that no policy opens. */
  const isBehindWall = ({ actor }: CallContext, { organisationId, environment }: ResourceRef): boolean =>
    actor.organisationId !== organisationId ||
    (environment !== undefined && !actor.environments.includes(environment));
  const judge = (call: CallContext, action: string, resource: ResourceRef): boolean => {
    const allowed =
      !isBehindWall(call, resource) &&
      rolesOf(call).some((role) => (grants[role] ?? []).some((name) => name === "*" || name === action));
    questions.push({ call, action, resource, allowed });
    return allowed;
  };
  return {
    questions,
    decide: (call, action, resource) =>
      Promise.resolve(
        judge(call, action, resource)
          ? { allowed: true, policies: ["test"] }
          : { allowed: false, reason: `no test grant for ${action}` },
      ),
    require: (call, action, resource) => {
      if (judge(call, action, resource)) return Promise.resolve();
      const unseen = isBehindWall(call, resource) || options.hidden?.includes(action) === true;
      return Promise.reject(
        new PortolanError(unseen ? "kernel.not_found" : "identity.forbidden", {
          detail: unseen ? "Not found" : `${action} is not granted`,
        }),
      );
    },
  };
}
