import { type CallContext, PortolanError } from "@portolan/kernel";
import { type CharterDeps, charterResource, loadCharter } from "./deps.ts";
import { type CharterExplanation, explainCharter } from "./explain.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { findInForce, listCharters, signaturesOf } from "./store.ts";
import type { CharterBundle, CharterStatus, CharterSummary, CharterView, InForceCharter } from "./views.ts";

/** The versions that the caller may see, by use case and newest first. */
export async function readCharters(
  deps: CharterDeps,
  call: CallContext,
  filter: { readonly useCase?: string; readonly status?: CharterStatus },
): Promise<CharterSummary[]> {
  const { organisationId } = call.actor;
  const rows = await deps.uow.read(call, (sql) => listCharters(sql, { ...filter, organisationId }));
  const decisions = new Map<string, Promise<boolean>>();
  const visible = (row: CharterSummary) => {
    const known = decisions.get(row.useCaseId);
    if (known) return known;
    const asked = deps.authorizer
      .decide(call, "charter:read", charterResource(call, row))
      .then(({ allowed }) => allowed);
    decisions.set(row.useCaseId, asked);
    return asked;
  };
  const allowed = await Promise.all(rows.map(visible));
  return rows.filter((_, index) => allowed[index]);
}

export async function readCharter(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
): Promise<CharterView> {
  const { summary, document } = await loadCharter(deps, call, charterId, "charter:read");
  const signatures = await deps.uow.read(call, (sql) => signaturesOf(sql, charterId));
  const signed = new Set(signatures.map((signature) => signature.role));
  const missingRoles = requiredSignatures(document).flatMap(({ role }) => (signed.has(role) ? [] : [role]));
  return { ...summary, charter: document, signatures, missingRoles };
}

export async function explainStoredCharter(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
): Promise<CharterExplanation> {
  const { document, lines } = await loadCharter(deps, call, charterId, "charter:read");
  return explainCharter(document, lines);
}

/** A version with its signatures, verifiable by an outsider (`verifyCharterBundle`). */
export async function exportCharterBundle(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
): Promise<CharterBundle> {
  const { summary, document } = await loadCharter(deps, call, charterId, "charter:read");
  const signatures = await deps.uow.read(call, (sql) => signaturesOf(sql, charterId));
  const { organisationId, useCaseId, version, digest } = summary;
  return {
    format: "portolan-charter-bundle/v1",
    organisationId,
    charterId,
    useCaseId,
    version,
    digest,
    charter: document,
    signatures,
  };
}

/** The charter that governs a use case now. For other domains through their ports: it asks no authorizer. */
export async function inForceCharter(
  deps: Pick<CharterDeps, "uow">,
  call: CallContext,
  key: { readonly useCaseId: string } | { readonly useCase: string },
): Promise<InForceCharter | undefined> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) =>
    findInForce(sql, "useCaseId" in key ? key : { organisationId, useCase: key.useCase }),
  );
  return found?.organisationId === organisationId ? found : undefined;
}

/** @throws PortolanError `charter.not_in_force`: without a signed charter nothing trains, registers or serves outside dev */
export async function requireInForceCharter(
  deps: Pick<CharterDeps, "uow">,
  call: CallContext,
  key: { readonly useCaseId: string } | { readonly useCase: string },
): Promise<InForceCharter> {
  const found = await inForceCharter(deps, call, key);
  if (found) return found;
  const name = "useCaseId" in key ? key.useCaseId : key.useCase;
  throw new PortolanError("charter.not_in_force", {
    detail: `no signed charter is in force for ${name}`,
    mend: "Submit a charter and have it signed: portolan apply, then portolan sign.",
  });
}
