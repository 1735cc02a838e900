import { type CallContext, newId, PortolanError, parseDigest, type Transaction } from "@portolan/kernel";
import { type CharterChange, charterDiff } from "./charter-diff.ts";
import { type CharterDeps, charterResource } from "./deps.ts";
import { type CharterExplanation, explainCharter } from "./explain.ts";
import { checkCharter, type ParsedCharter, parseCharter, requireValid } from "./parse-charter.ts";
import type { RegisteredUseCase } from "./ports.ts";
import { chartersOfUseCase, insertCharter, lockUseCase, type StoredCharter, setStatus } from "./store.ts";

/** A charter as it comes in: the text of a YAML (or JSON) file, or a JSON document. */
export type CharterSubmission =
  | { readonly source: string; readonly file?: string }
  | { readonly document: unknown };

export interface SubmittedCharter {
  /** `unchanged`: the newest version says the same already. `dry_run`: nothing was written. */
  readonly outcome: "created" | "unchanged" | "dry_run";
  readonly charterId?: string;
  readonly useCaseId: string;
  readonly version: number;
  readonly digest: string;
  /** Against the version in force, or everything when there is none. */
  readonly changes: readonly CharterChange[];
  readonly explanation: CharterExplanation;
}

/**
 * Takes a charter as a new draft version. The version in force goes on governing until this one is signed; open drafts
 * of the use case are superseded.
 *
 * @throws PortolanError `charter.not_readable`, `charter.not_valid` with every problem; `charter.use_case_unknown`
 */
export async function submitCharter(
  deps: CharterDeps,
  call: CallContext,
  submission: CharterSubmission,
  options: { readonly dryRun?: boolean } = {},
): Promise<SubmittedCharter> {
  const parsed = requireValid(
    "source" in submission
      ? parseCharter(submission.source, submission.file)
      : checkCharter(submission.document),
  );
  const useCase = await registeredUseCase(deps, call, parsed);
  await deps.authorizer.require(call, "charter:create", charterResource(call, useCase));
  const judge = (versions: readonly StoredCharter[]) => describe(parsed, useCase, versions);
  if (options.dryRun) {
    const versions = await deps.uow.read(call, (sql) => chartersOfUseCase(sql, useCase.useCaseId));
    return { ...judge(versions), outcome: "dry_run" };
  }
  const source = "source" in submission ? submission.source : undefined;
  return deps.uow.write(call, async (tx) => {
    await lockUseCase(tx.sql, useCase.useCaseId);
    const versions = await chartersOfUseCase(tx.sql, useCase.useCaseId);
    const described = judge(versions);
    if (described.outcome === "unchanged") return described;
    const charterId = await insertDraft(tx, parsed, useCase, { version: described.version, source });
    await supersedeDrafts(tx, versions);
    const inForce = versions.find((version) => version.summary.status === "in_force");
    const before = inForce && parseDigest(inForce.summary.digest);
    await tx.record({
      event: "charter.version.submitted",
      subject: charterId,
      ...(before ? { before } : {}),
      after: parsed.digest,
      detail: { useCase: parsed.document.useCase.name, version: described.version },
    });
    return { ...described, charterId };
  });
}

async function registeredUseCase(
  deps: CharterDeps,
  call: CallContext,
  { document, lines }: ParsedCharter,
): Promise<RegisteredUseCase> {
  const { name, businessUnit, team } = document.useCase;
  const known = await deps.useCases.find(call.actor.organisationId, name);
  // Who may not see the use case gets the answer of one that is not registered.
  const seen =
    known && (await deps.authorizer.decide(call, "charter:read", charterResource(call, known))).allowed;
  const found = seen ? known : undefined;
  const line = lines["/useCase/name"]?.line;
  const at = { pointer: "/useCase/name", ...(line === undefined ? {} : { line }) };
  if (!found) {
    throw new PortolanError("charter.use_case_unknown", {
      detail: `no use case "${name}" is registered`,
      mend: `Correct the name, or register it (what exists is kept): portolan business-unit create ${businessUnit}; portolan team create ${team} --business-unit ${businessUnit}; portolan use-case create ${name} --team ${team}`,
      at,
    });
  }
  if (found.businessUnit !== businessUnit || found.team !== team) {
    throw new PortolanError("charter.use_case_unknown", {
      detail: `the use case "${name}" belongs to ${found.businessUnit}/${found.team}, not to ${businessUnit}/${team}`,
      mend: `Write businessUnit: ${found.businessUnit} and team: ${found.team}, or choose another name.`,
      at,
    });
  }
  return found;
}

function describe(
  parsed: ParsedCharter,
  useCase: RegisteredUseCase,
  versions: readonly StoredCharter[],
): SubmittedCharter {
  const newest = versions[0];
  const open = newest && (newest.summary.status === "in_force" || isDraft(newest));
  const unchanged = open && newest.summary.digest === parsed.digest;
  // What governs now is what a signer compares with; before anything does, the newest version.
  const compared = versions.find((version) => version.summary.status === "in_force") ?? newest;
  return {
    outcome: unchanged ? "unchanged" : "created",
    ...(unchanged ? { charterId: newest.summary.id } : {}),
    useCaseId: useCase.useCaseId,
    version: unchanged ? newest.summary.version : (newest?.summary.version ?? 0) + 1,
    digest: parsed.digest,
    changes: compared
      ? charterDiff(compared.document, parsed.document)
      : [{ pointer: "", after: parsed.document }],
    explanation: explainCharter(parsed.document, parsed.lines),
  };
}

async function insertDraft(
  tx: Transaction,
  parsed: ParsedCharter,
  useCase: RegisteredUseCase,
  draft: { readonly version: number; readonly source: string | undefined },
): Promise<string> {
  const id = newId("charter", tx.now);
  await insertCharter(tx.sql, {
    id,
    organisationId: tx.call.actor.organisationId,
    businessUnitId: useCase.businessUnitId,
    teamId: useCase.teamId,
    useCaseId: useCase.useCaseId,
    useCase: parsed.document.useCase.name,
    version: draft.version,
    digest: parsed.digest,
    document: parsed.document,
    source: draft.source,
    lines: parsed.lines,
    createdAt: tx.now,
    createdBy: tx.call.actor.id,
  });
  return id;
}

function isDraft(charter: StoredCharter): boolean {
  return charter.summary.status === "draft" || charter.summary.status === "partially_signed";
}

async function supersedeDrafts(tx: Transaction, versions: readonly StoredCharter[]): Promise<void> {
  for (const version of versions.filter(isDraft)) {
    await setStatus(tx.sql, version.summary.id, "superseded", { endedAt: tx.now });
  }
}
