import { PortolanError } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { type ActionName, actionNames } from "../actions.ts";
import { EnvironmentName, RoleName } from "../contract.ts";
import type { ResourceFacts } from "./facts.ts";
import { createPolicyEngine } from "./policy-engine.ts";
import { checkPolicies, type PolicyFile } from "./policy-files.ts";

const strict = { additionalProperties: false };

/** A file for `portolan policy test`: expected decisions, as YAML or JSON. */
export const PolicyTestFile = Type.Object(
  {
    tests: Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1 }),
          principal: Type.Object(
            {
              kind: Type.Union([Type.Literal("user"), Type.Literal("service_account")]),
              id: Type.Optional(Type.String()),
              environments: Type.Array(EnvironmentName),
              scopes: Type.Optional(Type.Array(Type.String())),
              roles: Type.Array(
                Type.Object(
                  {
                    role: RoleName,
                    scope: Type.String({ description: "A name that the resource's scopes also use" }),
                    environments: Type.Array(EnvironmentName),
                  },
                  strict,
                ),
              ),
            },
            strict,
          ),
          action: Type.Unsafe<ActionName>(Type.Enum([...actionNames])),
          resource: Type.Object(
            {
              type: Type.String(),
              id: Type.Optional(Type.String()),
              businessUnit: Type.Optional(Type.String()),
              team: Type.Optional(Type.String()),
              useCase: Type.Optional(Type.String()),
              environment: Type.Optional(EnvironmentName),
              attributes: Type.Optional(
                Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean(), Type.Number()])),
              ),
            },
            strict,
          ),
          expect: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
          by: Type.Optional(Type.String({ description: "Id of a policy that must have decided" })),
        },
        strict,
      ),
      { minItems: 1 },
    ),
  },
  strict,
);
export type PolicyTestFile = Static<typeof PolicyTestFile>;

export interface PolicyTestResult {
  readonly name: string;
  readonly passed: boolean;
  /** What was decided and why, in one sentence. */
  readonly outcome: string;
}

/** Scope name that stands for the organisation in a test file. */
const organisation = "organisation";

/**
 * Runs expected decisions against the built-in policies and the given files. Needs no server. A file without
 * tests is refused: a check that checks nothing must not pass.
 *
 * @throws PortolanError `identity.bad_policy_test`, or `identity.bad_policy` for the policy files.
 */
export function runPolicyTests(document: unknown, policyFiles: readonly PolicyFile[]): PolicyTestResult[] {
  if (!Value.Check(PolicyTestFile, document)) {
    const violations = [...Value.Errors(PolicyTestFile, document)].slice(0, 20).map((error) => ({
      detail: `${error.instancePath || "/"} ${error.message}`,
      at: { pointer: error.instancePath },
    }));
    throw new PortolanError("identity.bad_policy_test", {
      detail: violations[0]?.detail ?? "not a policy test file",
      mend: "See docs/policies.md for the form of a policy test file.",
      violations,
    });
  }
  if (policyFiles.length > 0) checkPolicies(policyFiles);
  const engine = createPolicyEngine("policy-tests", policyFiles);
  return document.tests.map((each) => {
    const decision = engine.decide(
      {
        kind: each.principal.kind,
        id: each.principal.id ?? "tester",
        organisationId: organisation,
        environments: each.principal.environments,
        ...(each.principal.scopes === undefined ? {} : { scopes: each.principal.scopes }),
        bindings: each.principal.roles.map(({ role, scope, environments: held }) => ({
          role,
          scopeId: scope,
          environments: held,
        })),
      },
      each.action,
      resourceOf(each.resource),
    );
    const outcome = decision.allowed ? `allowed by ${decision.policies.join(", ")}` : decision.reason;
    const asExpected = decision.allowed === (each.expect === "allow");
    const byExpected = each.by === undefined || outcome.split(/[ ,]+/).includes(each.by);
    return { name: each.name, passed: asExpected && byExpected, outcome };
  });
}

function resourceOf(resource: PolicyTestFile["tests"][number]["resource"]): ResourceFacts {
  return {
    type: resource.type,
    organisationId: organisation,
    ...(resource.id === undefined ? {} : { id: resource.id }),
    ...(resource.businessUnit === undefined ? {} : { businessUnitId: resource.businessUnit }),
    ...(resource.team === undefined ? {} : { teamId: resource.team }),
    ...(resource.useCase === undefined ? {} : { useCaseId: resource.useCase }),
    ...(resource.environment === undefined ? {} : { environment: resource.environment }),
    ...(resource.attributes === undefined ? {} : { attributes: resource.attributes }),
  };
}
