import { type ActionEffect, type ActionSpec, actions, resourceTypes } from "../actions.ts";
import { roleNames } from "../roles.ts";

export const namespace = "Portolan";

const effects: readonly ActionEffect[] = ["reads", "works", "releases", "serves", "administers"];
/** The group of the actions that are `ofInstallation`. */
const installation = "installation";
const principalTypes = ["User", "ServiceAccount", "System"] as const;

/**
 * The Cedar schema, made from the tables of actions, roles and resource types: there is one list of each.
 *
 * `Scope` is the hierarchy (organisation, business unit, team, use case). `Place` is a scope in an environment, and
 * what a role is held in: `resource in principal.holds.team_lead` therefore asks for scope and environment at once.
 * Facts of a resource that only some policies ask for (risk tier, residency, owner, role) are tags.
 */
export function cedarSchema(): string {
  const resources = resourceTypes.join(", ");
  const holdings = roleNames.map((role) => `    ${role}: Set<Place>,`).join("\n");
  const domains = [...new Set(Object.keys(actions).map(domainOf))];
  const groups = [...effects, installation, ...domains.map((domain) => `${domain}:*`)].map(
    (name) => `"${name}"`,
  );
  const lines = Object.entries<ActionSpec>(actions).map(
    ([name, spec]) =>
      `  action "${name}" in [${groupsOf(name, spec).join(", ")}] appliesTo ` +
      `{ principal: [${principalTypes.join(", ")}], resource: [${resources}], context: CallFacts };`,
  );
  return [
    `namespace ${namespace} {`,
    "  entity Scope in [Scope];",
    "  entity Place in [Place];",
    `  type Holdings = {\n${holdings}\n  };`,
    "  type CallFacts = { actionInScope: Bool, purpose?: String, onBehalfOf?: String };",
    `  entity ${principalTypes.join(", ")} =`,
    "    { id: String, organisation: Scope, environments: Set<String>, holds: Holdings };",
    `  entity ${resources} in [Scope, Place] =`,
    "    { organisation: Scope, environment?: String } tags String;",
    `  action ${groups.join(", ")};`,
    ...lines,
    "}",
    "",
  ].join("\n");
}

function groupsOf(name: string, spec: ActionSpec): string[] {
  const groups = [spec.effect, `${domainOf(name)}:*`, ...(spec.ofInstallation ? [installation] : [])];
  return groups.map((group) => `"${group}"`);
}

/** `registry` of `registry:promote`. */
export function domainOf(action: string): string {
  return action.slice(0, action.indexOf(":"));
}
