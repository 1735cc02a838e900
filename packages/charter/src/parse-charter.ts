import { type Digest, digestJson, PortolanError, type Violation } from "@portolan/kernel";
import { placeOf, readYaml, type SourceLines, type YamlKind } from "@portolan/yaml-source";
import { coherenceFindings } from "./coherence.ts";
import type { CharterDocument } from "./document.ts";
import { type Finding, schemaFindings } from "./schema-findings.ts";

/** A charter is a page or two; what is larger is not read. */
export const charterYaml: YamlKind = {
  noun: "charter",
  maximumBytes: 128 * 1024,
  tooLarge: { mend: "Keep figures and promises in it, and documents elsewhere." },
  tooDeep: { mend: "Start from a template: portolan init --template flight-delays." },
};

export interface ParsedCharter {
  readonly document: CharterDocument;
  /** SHA-256 of the canonical form. Comments and layout do not enter it. */
  readonly digest: Digest;
  /** Empty for a charter that came as JSON. */
  readonly lines: SourceLines;
}

export type CharterReading =
  | { readonly kind: "valid"; readonly charter: ParsedCharter }
  | {
      readonly kind: "invalid";
      readonly code: "charter.not_readable" | "charter.not_valid";
      /** All problems at once, in the order of the file. */
      readonly violations: readonly Violation[];
    };

/**
 * Reads a charter file. Pure.
 *
 * @param file name to show in errors, e.g. `charter.yaml`
 */
export function parseCharter(text: string, file?: string): CharterReading {
  const source = readYaml(text, charterYaml, file);
  if (source.kind === "unreadable") {
    return { kind: "invalid", code: "charter.not_readable", violations: source.violations };
  }
  return checkCharter(source.value, source.lines, file);
}

/** Checks a charter that came as JSON, or the value of a YAML file with its lines. Pure. */
export function checkCharter(value: unknown, lines: SourceLines = {}, file?: string): CharterReading {
  const malformed = [...unstorableFindings(value), ...schemaFindings(value)];
  const findings = malformed.length > 0 ? malformed : coherenceFindings(value as CharterDocument);
  if (findings.length > 0) {
    const violations = findings.map((finding) => located(finding, lines, file));
    violations.sort(
      (a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0),
    );
    return { kind: "invalid", code: "charter.not_valid", violations };
  }
  const document = value as CharterDocument;
  return { kind: "valid", charter: { document, digest: digestJson(document), lines } };
}

/** PostgreSQL keeps no NUL in a text, and nothing that a person types holds one. */
function unstorableFindings(value: unknown): Finding[] {
  return JSON.stringify(value)?.includes("\\u0000")
    ? [{ pointer: "", detail: "the charter holds a NUL character", mend: "Remove it." }]
    : [];
}

/** @throws PortolanError `charter.not_readable` or `charter.not_valid` with every problem of the file. */
export function requireValid(reading: CharterReading): ParsedCharter {
  if (reading.kind === "valid") return reading.charter;
  const [first, ...others] = reading.violations;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  throw new PortolanError(reading.code, {
    detail: `${first ? describeViolation(first) : "the charter is refused"}${more}`,
    ...(first?.mend ? { mend: first.mend } : {}),
    ...(first?.at ? { at: first.at } : {}),
    violations: reading.violations,
  });
}

/** `charter.yaml:12:5 requirements.latency.p95 is "80"`: the form that editors and terminals make a link of. */
export function describeViolation({ detail, at }: Violation): string {
  if (at?.line === undefined) return detail;
  return `${at.file ?? "line"}:${at.line}:${at.column ?? 1} ${detail}`;
}

function located(finding: Finding, lines: SourceLines, file: string | undefined): Violation {
  const place = placeOf(finding.pointer, lines);
  return {
    detail: finding.detail,
    ...(finding.mend === undefined ? {} : { mend: finding.mend }),
    at: { ...(file === undefined ? {} : { file }), ...place, pointer: finding.pointer },
  };
}
