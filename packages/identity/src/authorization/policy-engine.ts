import { preparsePolicySet, preparseSchema, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { type Decision, PortolanError } from "@portolan/kernel";
import { type ActionName, parseAction, reachOf } from "../actions.ts";
import { actionInScope } from "../gateway-grants.ts";
import { entitiesFor, type PrincipalFacts, principalUid, type ResourceFacts, resourceUid } from "./facts.ts";
import { builtInPolicyFiles, type Policy, type PolicyFile, parsePolicies } from "./policy-files.ts";
import { cedarSchema, namespace } from "./schema.ts";

export interface CallFacts {
  readonly purpose?: string;
  readonly onBehalfOf?: string;
}

export interface PolicyEngine {
  readonly policies: readonly Policy[];
  /** Decides; an action that the table does not hold is denied. */
  decide(principal: PrincipalFacts, action: string, resource: ResourceFacts, call?: CallFacts): Decision;
}

// Cedar keeps what was parsed by name for the life of the process: parsing 40 policies costs more than 100 decisions.
// It has no way to forget, so the names are reused.
const schemaName = "portolan";
let schemaParsed = false;

/**
 * The built-in policies with an organisation's own, parsed once and kept under `name`. A later engine of the same name
 * replaces it.
 *
 * @throws PortolanError `identity.bad_policy`
 */
export function createPolicyEngine(
  name: string,
  organisationFiles: readonly PolicyFile[] = [],
): PolicyEngine {
  const builtIn = parsePolicies(builtInPolicyFiles());
  const own = parsePolicies(
    organisationFiles,
    builtIn.map((policy) => policy.id),
  );
  const policies = [...builtIn, ...own];
  if (!schemaParsed) {
    failUnlessParsed(preparseSchema(schemaName, cedarSchema()));
    schemaParsed = true;
  }
  failUnlessParsed(
    preparsePolicySet(name, {
      staticPolicies: Object.fromEntries(policies.map((policy) => [policy.id, policy.text])),
    }),
  );
  return {
    policies,
    decide: (principal, action, resource, call = {}) => {
      const known = parseAction(action);
      if (known === undefined) return deny(`${action} is not an action`);
      const judged = placedResource(known, resource);
      if (judged === undefined) return deny(`${action} was asked of no environment`);
      const answer = statefulIsAuthorized({
        principal: principalUid(principal),
        action: { type: `${namespace}::Action`, id: action },
        resource: resourceUid(judged),
        context: {
          actionInScope: actionInScope(principal.scopes, action),
          ...(call.purpose === undefined ? {} : { purpose: call.purpose }),
          ...(call.onBehalfOf === undefined ? {} : { onBehalfOf: call.onBehalfOf }),
        },
        entities: entitiesFor(principal, judged),
        preparsedSchemaName: schemaName,
        preparsedPolicySetId: name,
        validateRequest: true,
      });
      if (answer.type === "failure") {
        return deny(`the question is not valid: ${answer.errors.map((error) => error.message).join("; ")}`);
      }
      const { decision, diagnostics } = answer.response;
      // Cedar skips a policy that fails at run time. A skipped forbid would be an open door, so any failure denies.
      const failed = diagnostics.errors.map((error) => error.policyId);
      if (failed.length > 0) return deny(`policies failed: ${failed.join(", ")}`);
      if (decision === "allow") return { allowed: true, policies: diagnostics.reason.toSorted() };
      return deny(
        diagnostics.reason.length > 0
          ? `forbidden by ${diagnostics.reason.toSorted().join(", ")}`
          : "no policy permits it",
      );
    },
  };
}

/** The resource in the environment that it is judged in; `undefined` when the action needs one and none is named. */
function placedResource(action: ActionName, resource: ResourceFacts): ResourceFacts | undefined {
  switch (reachOf(action)) {
    case "all":
      return { ...resource, environment: "production" };
    case "one":
      return resource.environment === undefined ? undefined : resource;
    case "none":
      return resource;
  }
}

function deny(reason: string): Decision {
  return { allowed: false, reason };
}

function failUnlessParsed(answer: ReturnType<typeof preparsePolicySet>): void {
  if (answer.type === "failure") {
    const detail = answer.errors.map((error) => error.message).join("; ");
    throw new PortolanError("identity.bad_policy", { detail });
  }
}
