import { type Environment, environments } from "@portolan/kernel";
import { describe, expect, test, vi } from "vitest";
import { actionNames, actions, isOfInstallation, reachOf } from "../actions.ts";
import { type Role, roleNames, roles } from "../roles.ts";
import type { PrincipalFacts, ResourceFacts } from "./facts.ts";
import { policyDocumentation } from "./policy-documentation.ts";
import { createPolicyEngine } from "./policy-engine.ts";
import { builtInPolicyFiles, checkPolicies, schemaFindings } from "./policy-files.ts";
import { runPolicyTests } from "./policy-tests.ts";

// Type checking walks every action, principal and resource type: a second alone, more on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const engine = createPolicyEngine("engine-test");

function holder(
  role: Role | undefined,
  options: Partial<PrincipalFacts> & { scope?: string; in?: Environment[] } = {},
) {
  const { scope = "team_1", in: held = [...environments], ...facts } = options;
  const machine = role === "ci" || role === "gateway" || role === "application";
  const bindings = role === undefined ? [] : [{ role, scopeId: scope, environments: held }];
  return {
    kind: machine ? "service_account" : "user",
    id: "p1",
    organisationId: "org_1",
    environments,
    bindings,
    ...facts,
  } as const;
}

const model: ResourceFacts = {
  type: "Model",
  id: "mdl_1",
  organisationId: "org_1",
  businessUnitId: "bu_1",
  teamId: "team_1",
  useCaseId: "uc_1",
  environment: "production",
};
/** The same in the organisation that owns the installation. */
const atHome: ResourceFacts = { ...model, attributes: { home: true } };
const allowed = (principal: PrincipalFacts, action: string, resource: ResourceFacts = model): boolean =>
  engine.decide(principal, action, resource).allowed;

describe("the built-in policy set", () => {
  test("the schema made from the tables is one that Cedar takes", () => {
    expect(schemaFindings()).toEqual([]);
  });
  test("every policy has an id, a description and valid types", () => {
    expect(checkPolicies(builtInPolicyFiles()).length).toBeGreaterThan(15);
  });
  test("without a role nothing is allowed, whatever the action", () => {
    expect(actionNames.filter((action) => allowed(holder(undefined), action))).toEqual([]);
  });
  test("an action outside the table is denied to everybody", () => {
    expect(engine.decide(holder("platform_admin"), "registry:burn", model)).toEqual({
      allowed: false,
      reason: "registry:burn is not an action",
    });
  });
  test("no role reaches into another organisation", () => {
    for (const role of roleNames) {
      const foreign = { ...holder(role, { scope: "org_2" }), organisationId: "org_2" };
      expect(actionNames.filter((action) => allowed(foreign, action))).toEqual([]);
    }
  });
  test("an auditor reads everything and changes nothing, also when they are admin besides", () => {
    const both: PrincipalFacts = {
      ...holder("auditor", { scope: "org_1" }),
      bindings: (["auditor", "platform_admin", "team_lead"] as const).map((role) => ({
        role,
        scopeId: "org_1",
        environments,
      })),
    };
    for (const action of actionNames) {
      const reads = actions[action].effect === "reads";
      expect([action, allowed(both, action, atHome)]).toEqual([
        action,
        reads || action === "identity:register_key",
      ]);
      expect([action, allowed(holder("auditor", { scope: "org_1" }), action, atHome)]).toEqual([
        action,
        reads,
      ]);
    }
  });
  test("what all organisations share is reached from the one that owns the installation alone", () => {
    const shared = actionNames.filter(isOfInstallation);
    expect(shared).toEqual([
      "identity:create_organisation",
      "identity:rotate_platform_key",
      "backup:create",
      "backup:read",
    ]);
    const admin = holder("platform_admin", { scope: "org_1" });
    const open = createPolicyEngine("open-installation", [
      {
        name: "own.cedar",
        text: '@id("open") @description("Everything.") permit (principal, action, resource);',
      },
    ]);
    for (const action of shared) {
      expect([action, allowed(admin, action, atHome)]).toEqual([action, true]);
      expect([action, allowed(admin, action)]).toEqual([action, false]);
      // Not even an organisation that writes itself a policy reaches beyond its wall.
      expect([action, open.decide(admin, action, model).allowed]).toEqual([action, false]);
    }
  });
  test("only pipelines and named governance roles push or import model versions", () => {
    const pushers = roleNames.filter((role) => allowed(holder(role), "registry:push_version"));
    expect(pushers).toEqual(["platform_admin", "approver_risk", "approver_compliance", "ci"]);
    expect(roleNames.filter((role) => allowed(holder(role), "registry:import"))).toEqual(pushers);
    expect(allowed({ ...holder("ci"), kind: "user" }, "registry:push_version")).toBe(false);
  });
  test("an organisation's own policy cannot open a wall", () => {
    const open = createPolicyEngine("open-wall", [
      {
        name: "own.cedar",
        text: '@id("open") @description("Everything.") permit (principal, action, resource);',
      },
    ]);
    expect(open.decide(holder("data_scientist"), "registry:push_version", model).allowed).toBe(false);
    expect(open.decide(holder(undefined), "registry:read", model).allowed).toBe(true);
    expect(
      open.decide(holder(undefined), "registry:read", { ...model, organisationId: "org_2" }).allowed,
    ).toBe(false);
  });
});

describe("scope and environment", () => {
  const dataset = (environment: Environment): ResourceFacts => ({ ...model, type: "Dataset", environment });

  test("a dev credential never reads production data, in any role", () => {
    for (const role of roleNames) {
      const dev = holder(role, { scope: "org_1", environments: ["dev"] });
      expect([role, allowed(dev, "data:read_dataset", dataset("production"))]).toEqual([role, false]);
    }
    expect(
      allowed(holder("data_scientist", { environments: ["dev"] }), "data:read_dataset", dataset("dev")),
    ).toBe(true);
  });
  test("an action on things of one environment is denied to everybody who names none", () => {
    const { environment: _, ...unplaced } = atHome;
    for (const action of actionNames.filter((name) => reachOf(name) === "one")) {
      const open = roleNames.filter((role) => allowed(holder(role, { scope: "org_1" }), action, unplaced));
      expect([action, open]).toEqual([action, []]);
    }
  });
  test("what changes all environments needs credential and role of production, also where another one is named", () => {
    const everywhere = actionNames.filter((name) => reachOf(name) === "all");
    expect(everywhere).toEqual([
      "charter:sign",
      "data:write_policy",
      "usage:record",
      "capacity:write_quotas",
      "identity:manage",
      "identity:create_organisation",
      "identity:register_key",
      "identity:revoke_charter_key",
      "identity:rotate_platform_key",
      "identity:write_policies",
      "backup:create",
    ]);
    const inDev: ResourceFacts = { ...atHome, environment: "dev" };
    const { environment: _, ...unplaced } = atHome;
    for (const action of everywhere.filter((name) => name !== "charter:sign"))
      for (const resource of [inDev, unplaced]) {
        const admin = holder("platform_admin", { scope: "org_1" });
        const decided = [
          allowed(admin, action, resource),
          allowed({ ...admin, environments: ["dev", "staging"] }, action, resource),
          allowed(holder("platform_admin", { scope: "org_1", in: ["dev", "staging"] }), action, resource),
        ];
        expect([action, decided]).toEqual([action, [true, false, false]]);
      }
  });
  test("the credential of a gateway that reaches production carries the traffic below, a lower one nothing above", () => {
    for (const action of ["snapshots:read", "predictions:deliver"]) {
      const reach = (credential: Environment[], held: Environment[] = [...environments]) =>
        environments.filter((environment) =>
          allowed(holder("gateway", { scope: "org_1", environments: credential, in: held }), action, {
            ...model,
            environment,
          }),
        );
      expect(reach(["production"])).toEqual(["dev", "staging", "production"]);
      expect(reach(["production"], ["production"])).toEqual(["production"]);
      expect(reach(["dev"])).toEqual(["dev"]);
    }
    const readers = roleNames.filter((role) => allowed(holder(role, { scope: "org_1" }), "snapshots:read"));
    expect(readers).toEqual(["platform_admin", "gateway"]);
  });
  test("a role held in dev does not hold in production, whatever the credential reaches", () => {
    const dev = holder("ml_engineer", { in: ["dev"] });
    expect(allowed(dev, "serving:deploy", dataset("dev"))).toBe(true);
    expect(allowed(dev, "serving:deploy", dataset("production"))).toBe(false);
  });
  test("who operates or watches an endpoint may halt it, and fewer may let it go on", () => {
    const who = (action: string) =>
      roleNames.filter((role) => allowed(holder(role), action, dataset("production")));
    expect(who("serving:halt")).toEqual([
      "platform_admin",
      "team_lead",
      "ml_engineer",
      "approver_risk",
      "approver_compliance",
      "ci",
    ]);
    expect(who("serving:resume")).toEqual([
      "platform_admin",
      "team_lead",
      "approver_risk",
      "approver_compliance",
    ]);
  });
  test("a role holds in its scope and below, not beside or above", () => {
    expect(allowed(holder("team_lead", { scope: "org_1" }), "charter:create")).toBe(true);
    expect(allowed(holder("team_lead", { scope: "bu_1" }), "charter:create")).toBe(true);
    expect(allowed(holder("team_lead", { scope: "uc_1" }), "charter:create")).toBe(true);
    expect(allowed(holder("team_lead", { scope: "team_2" }), "charter:create")).toBe(false);
    const team: ResourceFacts = {
      type: "Team",
      id: "team_1",
      organisationId: "org_1",
      businessUnitId: "bu_1",
      teamId: "team_1",
    };
    expect(allowed(holder("team_lead", { scope: "uc_1" }), "identity:read", team)).toBe(false);
  });
  test("a credential's scopes narrow every role", () => {
    const narrow = holder("platform_admin", { scope: "org_1", scopes: ["serving:predict", "charter:*"] });
    expect(actionNames.filter((action) => allowed(narrow, action))).toEqual([
      "charter:create",
      "charter:read",
      "charter:sign",
      "serving:predict",
    ]);
    expect(actionNames.filter((action) => allowed({ ...narrow, scopes: [] }, action))).toEqual([]);
  });
  test("an ML engineer promotes to staging, not to production", () => {
    expect(allowed(holder("ml_engineer"), "registry:promote", { ...model, environment: "staging" })).toBe(
      true,
    );
    expect(allowed(holder("ml_engineer"), "registry:promote", { ...model, environment: "production" })).toBe(
      false,
    );
    expect(
      allowed(holder("approver_risk"), "registry:promote", { ...model, environment: "production" }),
    ).toBe(true);
  });
  test("leads and approvers approve releases; whoever only deploys does not", () => {
    const endpoint = { ...model, type: "Endpoint" } as const;
    const may = (action: string) => roleNames.filter((role) => allowed(holder(role), action, endpoint));
    expect(may("rollout:approve")).toEqual([
      "platform_admin",
      "team_lead",
      "approver_risk",
      "approver_compliance",
    ]);
    expect(may("serving:deploy")).toEqual(["platform_admin", "team_lead", "ml_engineer", "ci"]);
  });
  test("whoever has a model trained again could promote it too; only leads approve what came out, and state when it is", () => {
    const endpoint = { ...model, type: "Endpoint" } as const;
    const may = (action: string) => roleNames.filter((role) => allowed(holder(role), action, endpoint));
    expect(may("retraining:start")).toEqual(["platform_admin", "team_lead", "ci"]);
    expect(may("retraining:approve")).toEqual(["platform_admin", "team_lead"]);
    expect(may("retraining:set_policy")).toEqual(["platform_admin", "team_lead"]);
  });
  test("finance sees what money is spent on and what could cost less, and neither a row of data nor a prediction", () => {
    const own = ["plan:read", "usage:read", "advice:read", "capacity:read", "readiness:read"];
    const others = ["data:read_dataset", "predictions:read", "capacity:write_quotas", "advice:dismiss"];
    expect([...own, ...others].filter((action) => allowed(holder("finance"), action))).toEqual(own);
  });
});

describe("signatures and self", () => {
  const inRole = (role: string): ResourceFacts => ({ ...model, type: "Charter", attributes: { role } });
  test("a signature in a role needs that role, and a pipeline never signs", () => {
    for (const role of ["approver_risk", "approver_compliance", "team_lead", "finance"] as const) {
      expect(allowed(holder(role), "charter:sign", inRole(role))).toBe(true);
      expect(allowed(holder(role), "charter:sign", inRole("auditor"))).toBe(false);
    }
    expect(allowed(holder("platform_admin"), "charter:sign", inRole("approver_compliance"))).toBe(false);
    expect(allowed(holder("ci"), "charter:sign", inRole("team_lead"))).toBe(false);
  });
  test("one's own keys, nobody else's", () => {
    const keys = (owner: string): ResourceFacts => ({
      type: "ApiKey",
      organisationId: "org_1",
      environment: "dev",
      attributes: { holder: owner, holderKind: "user" },
    });
    expect(allowed(holder(undefined), "identity:issue_key", keys("p1"))).toBe(true);
    expect(allowed(holder(undefined), "identity:issue_key", keys("p2"))).toBe(false);
    const admin = holder("platform_admin", { scope: "org_1" });
    expect(allowed(admin, "identity:issue_key", keys("p2"))).toBe(false);
    expect(allowed(admin, "identity:revoke_key", keys("p2"))).toBe(true);
    const machine = { ...keys("sa_1"), attributes: { holder: "sa_1", holderKind: "service_account" } };
    expect(allowed(admin, "identity:issue_key", machine)).toBe(true);
  });
  test("a team lead gives working roles in the team, not governing ones", () => {
    const binding = (role: string): ResourceFacts => ({
      ...model,
      type: "RoleBinding",
      attributes: { role },
    });
    expect(allowed(holder("team_lead"), "identity:bind_role", binding("data_scientist"))).toBe(true);
    expect(allowed(holder("team_lead"), "identity:bind_role", binding("platform_admin"))).toBe(false);
    expect(allowed(holder("team_lead"), "identity:bind_role", binding("approver_risk"))).toBe(false);
  });
});

describe("policies of an organisation", () => {
  const file = (text: string) => [{ name: "own.cedar", text }];
  const violationsOf = (text: string): unknown => {
    try {
      checkPolicies(file(text), ["tenant-wall"]);
      return "accepted";
    } catch (error) {
      return (error as { violations: { detail: string; at?: { line?: number } }[] }).violations;
    }
  };
  test("errors carry file and line", () => {
    expect(violationsOf('@id("a") @description("b")\npermit (principal,\n  acton, resource);')).toMatchObject(
      [{ at: { file: "own.cedar", line: 3 } }],
    );
  });
  test.each([
    ["no id", '@description("b") permit (principal, action, resource);'],
    ["no description", '@id("a") permit (principal, action, resource);'],
    ["a taken id", '@id("tenant-wall") @description("b") permit (principal, action, resource);'],
    [
      "an unknown action",
      '@id("a") @description("b") permit (principal, action == Portolan::Action::"x:y", resource);',
    ],
    [
      "an unknown attribute",
      '@id("a") @description("b") permit (principal, action, resource) when { resource.colour == "red" };',
    ],
    ["a template", '@id("a") @description("b") permit (principal == ?principal, action, resource);'],
  ])("%s is refused", (_what, text) => {
    expect(violationsOf(text)).not.toBe("accepted");
  });
  test("a policy that fails at run time denies, it is not skipped", () => {
    const failing = createPolicyEngine(
      "failing",
      file(
        '@id("fails") @description("Overflows.") forbid (principal, action, resource) when { resource.hasTag("n") && 9223372036854775807 + 1 > 0 };',
      ),
    );
    expect(failing.decide(holder("team_lead"), "charter:read", model).allowed).toBe(true);
    expect(failing.decide(holder("team_lead"), "charter:read", { ...model, attributes: { n: 1 } })).toEqual({
      allowed: false,
      reason: "policies failed: fails",
    });
  });
});

describe("portolan policy test", () => {
  const expectation = {
    name: "auditors do not deploy",
    principal: {
      kind: "user",
      environments: ["production"],
      roles: [{ role: "auditor", scope: "organisation", environments: ["production"] }],
    },
    action: "serving:deploy",
    resource: { type: "Endpoint", environment: "production" },
    expect: "deny",
    by: "auditor-changes-nothing",
  };
  test("a met expectation passes, an unmet one fails, also by the wrong policy", () => {
    const run = (change: object) =>
      runPolicyTests({ tests: [{ ...expectation, ...change }] }, []).map(({ passed }) => passed);
    expect(run({})).toEqual([true]);
    expect(run({ expect: "allow" })).toEqual([false]);
    expect(run({ by: "tenant-wall" })).toEqual([false]);
    expect(run({ action: "serving:read", expect: "allow", by: "auditor" })).toEqual([true]);
  });
  test("a file without tests, or with an unknown action or member, is refused", () => {
    for (const document of [
      { tests: [] },
      {},
      null,
      { tests: [{ ...expectation, action: "x:y" }] },
      { tests: [{ ...expectation, expects: "deny" }] },
    ]) {
      expect(() => runPolicyTests(document, [])).toThrow("identity.bad_policy_test");
    }
  });
});

test("the generated page names every action, role and policy", () => {
  const page = policyDocumentation();
  const named = [...actionNames, ...Object.keys(roles), ...engine.policies.map(({ id }) => id)];
  expect(named.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
