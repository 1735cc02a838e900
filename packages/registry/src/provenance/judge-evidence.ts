import { digestFromHex, type Environment } from "@portolan/kernel";
import { asRecord } from "../dsse.ts";
import { namesVersion, provenancePredicateType, releaseLevel, summaryPredicateType } from "./predicates.ts";

/** A statement whose signature and subject were verified. */
export interface VerifiedStatement {
  /** `sha256:…` of the bundle. */
  readonly digest: string;
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

/** A version that is to be somewhere. */
export interface Release {
  readonly model: string;
  readonly version: number;
  readonly environment: Environment;
}

/**
 * What is missing before the statements about a version show that it may be in an environment: a promotion to that environment
 * whose gates passed, each statement that the promotion rests on, and, unless the promotion says that the model was imported, how
 * it was trained. One promotion that is whole is enough. Pure.
 *
 * @returns an empty list when nothing is missing
 */
export function missingEvidence(statements: readonly VerifiedStatement[], release: Release): string[] {
  const promotions = statements.filter((one) => promotes(one, release));
  if (promotions.length === 0)
    return [`no verification summary promotes version ${release.version} to ${release.environment}`];
  const faults = promotions.map((one) => faultsOf(one, statements));
  return faults.find((one) => one.length === 0) ?? faults.at(-1) ?? [];
}

/** Equal bytes may be several versions: the summary names the one that it is of. */
function promotes({ predicateType, predicate }: VerifiedStatement, release: Release): boolean {
  const levels = predicate["verifiedLevels"];
  return (
    predicateType === summaryPredicateType &&
    predicate["verificationResult"] === "PASSED" &&
    Array.isArray(levels) &&
    levels.includes(releaseLevel(release.environment)) &&
    namesVersion(textOf(predicate["resourceUri"]), release)
  );
}

function faultsOf({ predicate }: VerifiedStatement, statements: readonly VerifiedStatement[]): string[] {
  const promotion = asRecord(predicate["portolan_promotion"]);
  const faults: string[] = [];
  const isProved = statements.some(({ predicateType }) => predicateType === provenancePredicateType);
  if (promotion?.["origin"] !== "imported" && !isProved) faults.push("no provenance says how it was trained");
  if (promotion?.["gates"] === undefined)
    faults.push("the promotion does not say by which gates it was judged");
  for (const gate of recordsOf(promotion?.["gates"]))
    if (gate["passed"] !== true) faults.push(`the gate ${textOf(gate["gate"])} did not pass`);
  for (const input of recordsOf(predicate["inputAttestations"])) {
    const digest = digestFromHex(textOf(asRecord(input["digest"])?.["sha256"]));
    if (!statements.some((one) => one.digest === digest))
      faults.push(`a statement that the promotion rests on is missing: ${textOf(input["uri"])}`);
  }
  return faults;
}

function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map((one) => asRecord(one) ?? {}) : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "unnamed";
}
