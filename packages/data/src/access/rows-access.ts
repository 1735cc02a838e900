import { type CallContext, type Digest, PortolanError, type Sql } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { policiesInForce } from "./access-store.ts";
import { type AccessDeps, accessFor, accessTo, digestPolicies } from "./access-to-rows.ts";
import { isWhole } from "./decide-rows.ts";
import type { NamedRows } from "./policed-rows.ts";

/** By which policies something was read. */
export interface GrantedRead {
  readonly purpose: string;
  readonly policies: string[];
  readonly policyDigest: Digest;
}

/** What policies on data say, for whoever hands out values that are made of data as they are. Implemented by `data`. */
export interface RowsAccess {
  /**
   * Resolves when the policies allow the caller all of the rows, unmasked and unfiltered, for the purpose. A refusal is on the ledger; what was read
   * is recorded by who hands it out.
   *
   * @throws PortolanError `data.access_denied`
   */
  requireWhole(call: CallContext, rows: NamedRows, purpose: string | undefined): Promise<GrantedRead>;
  /** What for the policies allow the caller all of the rows, unmasked and unfiltered, sorted. Nothing is read, and nothing recorded. */
  wholePurposes(call: CallContext, rows: NamedRows): Promise<string[]>;
  /** The address of all policies in force. */
  digestInForce(sql: Sql, organisationId: string): Promise<Digest>;
}

export function createRowsAccess(deps: AccessDeps): RowsAccess {
  return {
    requireWhole: (call, rows, purpose) => requireWhole(deps, call, rows, purpose),
    wholePurposes: (call, rows) => wholePurposes(deps, call, rows),
    digestInForce: async (sql, organisationId) => digestPolicies(await policiesInForce(sql, organisationId)),
  };
}

async function wholePurposes(deps: AccessDeps, call: CallContext, rows: NamedRows): Promise<string[]> {
  const { decide, purposes } = await accessFor(deps, call, rows);
  return [...purposes].filter((purpose) => isWhole(decide(purpose))).toSorted();
}

async function requireWhole(
  deps: AccessDeps,
  call: CallContext,
  rows: NamedRows,
  purpose: string | undefined,
): Promise<GrantedRead> {
  const { decision, policyDigest } = await accessTo(deps, call, rows, purpose ?? "");
  if (purpose !== undefined && decision.kind === "allowed" && isWhole(decision))
    return { purpose, policies: [...decision.policies], policyDigest };
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "data.dataset.read_refused",
      subject: rows.id,
      detail: { policyDigest, ...(purpose === undefined ? {} : { purpose }) },
    }),
  );
  throw new PortolanError<DataErrorCode>("data.access_denied", {
    detail: whyNot(purpose, decision),
    mend: "Name the purpose that your work was allowed for, or ask whoever writes the policies (portolan data policy list).",
  });
}

function whyNot(
  purpose: string | undefined,
  decision: Awaited<ReturnType<typeof accessTo>>["decision"],
): string {
  if (purpose === undefined) return "these are values of data, and no purpose is named";
  if (decision.kind === "denied") return decision.reason;
  const masked = decision.columns.find(({ mask }) => mask);
  const [hidden] = decision.hidden;
  const [filter] = decision.rowFilters;
  if (masked?.mask) return `${masked.mask.by} masks ${masked.name}, and here values are shown as they are`;
  if (hidden) return `${hidden.name} may not be read: ${hidden.reason}`;
  if (filter) return `${filter.by} keeps rows back, and here all are shown`;
  return `${decision.minGroup?.by.join(", ") ?? "a policy"} leaves out small groups, and here all rows are shown`;
}
