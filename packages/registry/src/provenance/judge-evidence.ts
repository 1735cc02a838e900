import { type Digest, digestFromHex, type Environment } from "@portolan/kernel";
import { asRecord } from "../dsse.ts";
import {
  namesVersion,
  provenancePredicateType,
  releaseLevel,
  summaryPredicateType,
  testResultPredicateType,
  type VersionName,
} from "./predicates.ts";

/** A statement whose signature and subject were verified. */
export interface VerifiedStatement {
  /** `sha256:…` of the bundle. */
  readonly digest: string;
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

/** A version that is to be somewhere. */
export interface Release extends VersionName {
  readonly organisationId: string;
  readonly environment: Environment;
}

/**
 * What is missing before the statements about a version show that it may be in an environment: a promotion to that environment and
 * each statement that the promotion names, among them, unless the promotion says that the model was imported, how it was trained.
 * Outside dev also gates that passed, an evaluation that passed, and approvals of the charter. One promotion that is whole is
 * enough. Pure.
 *
 * @returns an empty list when nothing is missing
 */
export function missingEvidence(statements: readonly VerifiedStatement[], release: Release): string[] {
  const promotions = statements.filter((one) => promotes(one, release));
  if (promotions.length === 0)
    return [`no verification summary promotes version ${release.version} to ${release.environment}`];
  const faults = promotions.map((one) => [
    ...chainFaults(one, statements),
    ...(release.environment === "dev" ? [] : judgementFaults(one, statements)),
  ]);
  return faults.find((one) => one.length === 0) ?? faults.at(-1) ?? [];
}

function promotes({ predicateType, predicate }: VerifiedStatement, release: Release): boolean {
  const levels = predicate["verifiedLevels"];
  return (
    predicateType === summaryPredicateType &&
    predicate["verificationResult"] === "PASSED" &&
    Array.isArray(levels) &&
    levels.includes(releaseLevel(release.environment)) &&
    namesVersion(predicate["resourceUri"], release)
  );
}

function chainFaults(promotion: VerifiedStatement, statements: readonly VerifiedStatement[]): string[] {
  const { predicate } = promotion;
  const faults: string[] = [];
  if (!Array.isArray(predicate["inputAttestations"]))
    faults.push("the promotion does not say what it rests on");
  const inputs = inputsOf(promotion, statements);
  const isProved = inputs.some(({ statement }) => statement?.predicateType === provenancePredicateType);
  if (asRecord(predicate["portolan_promotion"])?.["origin"] !== "imported" && !isProved)
    faults.push("no provenance says how it was trained");
  for (const { named, statement } of inputs)
    if (!statement) faults.push(`a statement that the promotion rests on is missing: ${named}`);
  return faults;
}

function judgementFaults(promotion: VerifiedStatement, statements: readonly VerifiedStatement[]): string[] {
  const { predicate } = promotion;
  const faults: string[] = [];
  const gates = recordsOf(asRecord(predicate["portolan_promotion"])?.["gates"]);
  if (gates.length === 0) faults.push("the promotion does not say by which gates it was judged");
  for (const gate of gates)
    if (gate["passed"] !== true) faults.push(`the gate ${textOf(gate["gate"])} did not pass`);
  const hasPassed = inputsOf(promotion, statements).some(
    ({ statement }) =>
      statement?.predicateType === testResultPredicateType && statement.predicate["result"] === "PASSED",
  );
  if (!hasPassed) faults.push("the promotion rests on no evaluation that passed");
  if (recordsOf(predicate["portolan_approvals"]).length === 0)
    faults.push("the promotion names nobody who approved its charter");
  return faults;
}

interface Input {
  readonly named: string;
  /** Absent: it is not among the statements. */
  readonly statement?: VerifiedStatement;
}

function inputsOf({ predicate }: VerifiedStatement, statements: readonly VerifiedStatement[]): Input[] {
  return recordsOf(predicate["inputAttestations"]).map((input) => {
    const digest: Digest | undefined = digestFromHex(textOf(asRecord(input["digest"])?.["sha256"]));
    const statement = statements.find((one) => one.digest === digest);
    return { named: textOf(input["uri"]), ...(statement ? { statement } : {}) };
  });
}

function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map((one) => asRecord(one) ?? {}) : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "unnamed";
}
