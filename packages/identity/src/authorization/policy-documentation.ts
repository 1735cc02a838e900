import { type ActionSpec, actions, resourceTypes } from "../actions.ts";
import { roles } from "../roles.ts";
import { builtInPolicyFiles, parsePolicies } from "./policy-files.ts";

/** The whole text of `docs/policies.md`, from the tables and the annotations of the built-in policies. */
export function policyDocumentation(): string {
  const policies = parsePolicies(builtInPolicyFiles());
  const forbids = policies.filter((policy) => policy.effect === "forbid");
  const permits = policies.filter((policy) => policy.effect === "permit");
  return [
    "# Who may do what",
    "",
    "Generated from `packages/identity` (`policies/*.cedar`, `src/actions.ts`, `src/roles.ts`). Do not edit.",
    "",
    "One policy set in [Cedar](https://www.cedarpolicy.com) decides. What no policy permits is denied, and one",
    "forbidding policy outweighs all permits. What a caller may not see answers like what does not exist.",
    "",
    "## Walls",
    "",
    ...table(
      ["Policy", "Says"],
      forbids.map(({ id, description }) => [`\`${id}\``, description]),
    ),
    "## Permissions",
    "",
    ...table(
      ["Policy", "Says"],
      permits.map(({ id, description }) => [`\`${id}\``, description]),
    ),
    "## Roles",
    "",
    ...table(
      ["Role", "Purpose"],
      Object.entries(roles).map(([name, does]) => [`\`${name}\``, does]),
    ),
    "## Actions",
    "",
    'Policies may name an action, a whole effect (`action in Portolan::Action::"reads"`) or a whole domain',
    '(`action in Portolan::Action::"registry:*"`). Scopes of API keys name actions or domains. Those marked *installation*',
    "concern what all organisations share, and only the one that owns the installation may do them.",
    "Environments: *one* is judged in the environment of what it touches, and denied where none is named; *all* changes",
    "every environment and is judged in production; *none* touches what belongs to no environment.",
    "",
    ...table(
      ["Action", "Effect", "Environments", "What it is"],
      Object.entries<ActionSpec>(actions).map(([name, { does, effect, reach, ofInstallation }]) => [
        `\`${name}\``,
        ofInstallation ? `${effect}, *installation*` : effect,
        reach,
        does,
      ]),
    ),
    "## Resource types",
    "",
    `${resourceTypes.map((type) => `\`${type}\``).join(", ")}.`,
    "",
    ...ownPolicies,
  ].join("\n");
}

const ownPolicies = [
  "## Your own policies",
  "",
  "An organisation keeps files in a folder of its own, and puts them in force with `portolan policy replace --policies FOLDER`, which replaces all that it had before. Every policy carries `@id` and `@description`; the set",
  "is checked against the schema before it is stored, and can narrow what the built-in policies permit or permit more",
  "inside the walls. `portolan policy test` runs a file of expected decisions:",
  "",
  "```yaml",
  "tests:",
  "  - name: an auditor does not deploy",
  "    principal:",
  "      kind: user",
  "      environments: [production]",
  "      roles: [{ role: auditor, scope: organisation, environments: [production] }]",
  "    action: serving:deploy",
  "    resource: { type: Endpoint, environment: production }",
  "    expect: deny",
  "    by: auditor-changes-nothing",
  "```",
  "",
];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""];
}
