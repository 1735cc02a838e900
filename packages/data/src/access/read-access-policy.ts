import { type Digest, digestJson, environments, isPortolanError, parseInstant } from "@portolan/kernel";
import { type YamlKind, type YamlNode, YamlSource } from "@portolan/yaml-source";
import {
  type AccessPolicy,
  type ColumnSelector,
  type LeastGroup,
  type MaskRule,
  masks,
} from "./access-policy.ts";

const policyYaml: YamlKind = { noun: "access policy", maximumBytes: 64 * 1024 };
const policyName = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const known = [
  "apiVersion",
  "kind",
  "name",
  "description",
  "effect",
  "purposes",
  "roles",
  "principals",
  "contracts",
  "environments",
  "columns",
  "tags",
  "rows",
  "masks",
  "minGroup",
  "expires",
];

/**
 * Reads an access policy (YAML) into its canonical form. Pure.
 *
 * @throws PortolanError `data.access_policy_invalid` with line and mend of every finding
 */
export function readAccessPolicy(text: string, file: string): AccessPolicy {
  const source = new YamlSource(text, policyYaml, file);
  source.settle("data.access_policy_invalid");
  const { root } = source;
  if (!root.isMap()) root.report("is not a mapping", "Start with `kind: AccessPolicy`.");
  root.only(known);
  root.get("kind").requiredText("Write `kind: AccessPolicy`.");
  root.get("kind").oneOf(["AccessPolicy"], "Write `kind: AccessPolicy`.");
  const policy = readBody(root);
  source.settle("data.access_policy_invalid");
  return policy;
}

/** The address of what a policy says; comments and layout do not change it. */
export function accessPolicyDigest(policy: AccessPolicy): Digest {
  return digestJson({ ...policy });
}

function readBody(root: YamlNode): AccessPolicy {
  const name = root.get("name").requiredText("Name the policy.");
  if (!policyName.test(name) || name.length > 63)
    root.get("name").report("is not a name", "Use lower-case words joined by hyphens.");
  root.get("effect").requiredText("Write allow, restrict or deny.");
  const effect = root.get("effect").oneOf(["allow", "restrict", "deny"]) ?? "deny";
  const purposes = texts(root.get("purposes"));
  if (effect === "allow" && purposes === undefined)
    root.report("allows for every purpose", "Name the purposes: who reads has to say what for.");
  const rows = root.get("rows").text();
  const minGroup = readMinGroup(root.get("minGroup"));
  if (effect === "deny")
    for (const key of ["rows", "masks", "minGroup", "expires"])
      if (root.get(key).present)
        root.get(key).report("stands in a policy that denies", "Write `effect: restrict`, or leave it out.");
  return {
    name,
    effect,
    ...optional("purposes", purposes),
    ...optional("roles", texts(root.get("roles"))),
    ...optional("principals", texts(root.get("principals"))),
    ...optional("contracts", texts(root.get("contracts"))),
    ...optional("environments", readEnvironments(root.get("environments"))),
    ...readSelector(root),
    ...optional("rows", rows),
    masks: root.get("masks").items().map(readMask),
    ...optional("minGroup", minGroup),
    ...optional("expires", readExpiry(root.get("expires"))),
  };
}

function optional<K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: T });
}

/** A list that says nothing would mean everything to one reader and nothing to another. */
function texts(node: YamlNode): string[] | undefined {
  if (!node.present) return undefined;
  const found = node.items().flatMap((item) => item.text() ?? []);
  if (found.length === 0)
    node.report("is an empty list", "Name at least one, or leave it out: then all are meant.");
  return found;
}

function readEnvironments(node: YamlNode): string[] | undefined {
  for (const item of node.items()) item.oneOf(environments);
  return texts(node);
}

function readSelector(node: YamlNode): ColumnSelector {
  return { ...optional("columns", texts(node.get("columns"))), ...optional("tags", texts(node.get("tags"))) };
}

function readMask(node: YamlNode): MaskRule {
  node.only(["columns", "tags", "with"]);
  node.get("with").requiredText(`Use one of: ${masks.join(", ")}.`);
  return { ...readSelector(node), with: node.get("with").oneOf(masks) ?? "null" };
}

function readMinGroup(node: YamlNode): LeastGroup | undefined {
  if (!node.present) return undefined;
  node.only(["rows", "over"]);
  const rows = node.get("rows").number() ?? 0;
  if (!Number.isSafeInteger(rows) || rows < 2) node.get("rows").report("must be a whole number from 2 on");
  const over = texts(node.get("over"));
  if (!over) node.get("over").report("is missing", "Name the columns by which people could be told apart.");
  return { rows, over: over ?? [] };
}

function readExpiry(node: YamlNode): AccessPolicy["expires"] {
  const text = node.text();
  if (text === undefined) return undefined;
  try {
    return parseInstant(text);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    node.report("is no instant", "Write e.g. 2027-01-01T00:00:00Z.");
    return undefined;
  }
}
