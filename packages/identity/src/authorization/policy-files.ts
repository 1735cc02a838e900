import { readdirSync, readFileSync } from "node:fs";
import {
  checkParseSchema,
  type DetailedError,
  type PolicyJson,
  policySetTextToParts,
  policyToJson,
  validate,
} from "@cedar-policy/cedar-wasm/nodejs";
import { PortolanError, type Violation } from "@portolan/kernel";
import { cedarSchema } from "./schema.ts";

/** One `*.cedar` file. */
export interface PolicyFile {
  /** Ends in `.cedar`; no folders. */
  readonly name: string;
  readonly text: string;
}

/** One policy of a file, as the engine and the documentation see it. */
export interface Policy {
  /** Its `@id`. */
  readonly id: string;
  readonly description: string;
  readonly effect: "permit" | "forbid";
  readonly file: string;
  readonly text: string;
}

const builtInFolder = new URL("../../policies/", import.meta.url);

/** The policies that every installation has. */
export function builtInPolicyFiles(): PolicyFile[] {
  return readdirSync(builtInFolder)
    .filter((name) => name.endsWith(".cedar"))
    .toSorted()
    .map((name) => ({ name, text: readFileSync(new URL(name, builtInFolder), "utf8") }));
}

/**
 * Takes policy files apart: syntax, `@id` and `@description` of every policy, and types against the schema.
 * Ids in `taken` belong to other files.
 *
 * @throws PortolanError `identity.bad_policy` with every finding, its file and line.
 */
export function checkPolicies(files: readonly PolicyFile[], taken: readonly string[] = []): Policy[] {
  const policies = parsePolicies(files, taken);
  failOn(typeFindings(policies));
  return policies;
}

/**
 * `checkPolicies` without the types: for policies that passed it when they were stored. Type checking goes through
 * every action, principal and resource type and takes about a second.
 */
export function parsePolicies(files: readonly PolicyFile[], taken: readonly string[] = []): Policy[] {
  const violations: Violation[] = [];
  const policies: Policy[] = [];
  for (const file of files) {
    const parts = policySetTextToParts(file.text);
    if (parts.type === "failure") {
      violations.push(...parts.errors.map((error) => violationOf(file, error)));
      continue;
    }
    if (parts.policy_templates.length > 0) {
      violations.push({
        detail: "templates (?principal, ?resource) are not used here",
        at: { file: file.name },
      });
    }
    for (const text of parts.policies) policies.push(readPolicy(file, text, violations));
  }
  const seen = new Set(taken);
  for (const policy of policies) {
    if (policy.id !== "" && seen.has(policy.id)) {
      violations.push({ detail: `@id("${policy.id}") is used twice`, at: { file: policy.file } });
    }
    seen.add(policy.id);
  }
  failOn(violations);
  return policies;
}

function failOn(violations: readonly Violation[]): void {
  if (violations.length === 0) return;
  throw new PortolanError("identity.bad_policy", {
    detail: violations.map((violation) => violation.detail).join("; "),
    mend: "Mend the named places; `docs/policies.md` lists actions, types and roles.",
    violations,
  });
}

function readPolicy(file: PolicyFile, text: string, violations: Violation[]): Policy {
  const answer = policyToJson(text);
  const json: PolicyJson | undefined = answer.type === "success" ? answer.json : undefined;
  const id = json?.annotations?.["id"] ?? "";
  const description = json?.annotations?.["description"] ?? "";
  const at = { file: file.name, line: lineOf(file.text, file.text.indexOf(text)) };
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id)) {
    violations.push({
      detail: "a policy has no usable @id",
      mend: 'Give it @id("words-with-hyphens").',
      at,
    });
  }
  if (description.trim() === "") {
    violations.push({
      detail: `policy ${id === "" ? "without id" : id} has no @description`,
      mend: "Say in one sentence whom it lets do what.",
      at,
    });
  }
  return { id, description, effect: json?.effect ?? "forbid", file: file.name, text };
}

function typeFindings(policies: readonly Policy[]): Violation[] {
  const answer = validate({
    schema: cedarSchema(),
    policies: { staticPolicies: Object.fromEntries(policies.map((policy) => [policy.id, policy.text])) },
  });
  if (answer.type === "failure") return answer.errors.map((error) => ({ detail: error.message }));
  // One finding per policy is enough: Cedar repeats it for every pair of principal and resource type.
  const first = new Map(answer.validationErrors.map((finding) => [finding.policyId, finding] as const));
  return [...first.values()].map(({ policyId, error }) => ({
    detail: `${policyId}: ${error.message}`,
    ...(error.help ? { mend: error.help } : {}),
    at: { file: policies.find((policy) => policy.id === policyId)?.file ?? policyId },
  }));
}

function violationOf(file: PolicyFile, error: DetailedError): Violation {
  const offset = error.sourceLocations?.[0]?.start;
  return {
    detail: `${file.name}: ${error.message}`,
    ...(error.help ? { mend: error.help } : {}),
    at: {
      file: file.name,
      ...(offset === undefined ? {} : { line: lineOfByte(file.text, offset) }),
    },
  };
}

function lineOf(text: string, index: number): number {
  return text.slice(0, Math.max(0, index)).split("\n").length;
}

/** Cedar counts bytes of UTF-8. */
function lineOfByte(text: string, offset: number): number {
  return Buffer.from(text).subarray(0, offset).toString().split("\n").length;
}

/** Findings against the schema itself; empty unless a table holds a name that Cedar does not take. */
export function schemaFindings(): string[] {
  const answer = checkParseSchema(cedarSchema());
  return answer.type === "failure" ? answer.errors.map((error) => error.message) : [];
}
