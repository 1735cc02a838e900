import type { ColumnTypes } from "@portolan/expressions";
import { type CallContext, type Digest, type EnvironmentPlace, PortolanError } from "@portolan/kernel";
import type { AnalysisStatement } from "../analysis.ts";
import type { DataErrorCode } from "../errors.ts";
import { type Allowed, visibleRelation } from "./access-plan.ts";
import { type AccessDeps, accessFor, accessTo, accessToAll } from "./access-to-rows.ts";
import type { AccessDecision } from "./decide-access.ts";
import { isWhole } from "./decide-rows.ts";
import { maskKeys, type PseudonymKeys } from "./mask-keys.ts";
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
  /** What the policies say of work that takes these rows for a purpose, all at one moment; nothing is recorded. */
  forWork(
    call: CallContext,
    rows: readonly NamedRows[],
    purpose: string,
    at: EnvironmentPlace,
  ): Promise<WorkDecisions>;
  /** The statement that makes the relation `visible` of the rows of one contract: filtered, masked, without small groups. */
  visible(call: CallContext, allowed: Allowed, rows: VisibleRows): Promise<AnalysisStatement>;
  /**
   * Puts a refusal on the ledger and throws it.
   *
   * @throws PortolanError `data.access_denied`
   */
  refuse(call: CallContext, refusal: WorkRefusal): Promise<never>;
}

export interface WorkDecisions {
  /** Of each rows, in their order. Of what is not governed no policy in force speaks, for anybody or any purpose. */
  readonly decisions: readonly {
    readonly isGoverned: boolean;
    readonly decision: AccessDecision;
    /** Why they may not be taken as they are, every row and column; absent where they may. */
    readonly whyNotWhole?: string;
  }[];
  /** The address of all policies in force. */
  readonly policyDigest: Digest;
}

/** Where the rows of one contract are, and which they are. */
export interface VisibleRows {
  readonly purpose: string;
  /** Relation of the rows. */
  readonly source: string;
  /** Of all columns of the contract in it, as expressions see them. */
  readonly types: ColumnTypes;
  /** Columns that are no values of the contract; they stay as they are. */
  readonly beside: readonly string[];
}

export interface WorkRefusal {
  /** Id of the rows. */
  readonly subject: string;
  readonly purpose: string;
  readonly policyDigest: Digest;
  readonly reason: string;
  readonly mend: string;
}

export function createRowsAccess(deps: AccessDeps & { readonly pseudonyms: PseudonymKeys }): RowsAccess {
  return {
    requireWhole: (call, rows, purpose) => requireWhole(deps, call, rows, purpose),
    wholePurposes: (call, rows) => wholePurposes(deps, call, rows),
    forWork: (call, rows, purpose, at) => forWork(deps, call, rows, { purpose, at }),
    visible: async (call, allowed, { purpose, source, types, beside }) => {
      const keys = await maskKeys(deps.pseudonyms, call.actor.organisationId, purpose);
      return visibleRelation(allowed, source, types, keys, beside);
    },
    refuse: (call, refusal) => refuse(deps, call, refusal),
  };
}

async function forWork(
  deps: AccessDeps,
  call: CallContext,
  rows: readonly NamedRows[],
  where: { readonly purpose: string; readonly at: EnvironmentPlace },
): Promise<WorkDecisions> {
  const { decisions, policyDigest } = await accessToAll(deps, call, rows, where);
  return {
    decisions: decisions.map((one) => ({
      ...one,
      ...(isWhole(one.decision)
        ? {}
        : { whyNotWhole: whyNot(where.purpose, one.decision, "values are taken as they are") }),
    })),
    policyDigest,
  };
}

async function refuse(
  { uow }: Pick<AccessDeps, "uow">,
  call: CallContext,
  { subject, purpose, policyDigest, reason, mend }: WorkRefusal,
): Promise<never> {
  await uow.write(call, (tx) =>
    tx.record({ event: "data.dataset.read_refused", subject, detail: { purpose, policyDigest } }),
  );
  throw new PortolanError<DataErrorCode>("data.access_denied", { detail: reason, mend });
}

async function wholePurposes(deps: AccessDeps, call: CallContext, rows: NamedRows): Promise<string[]> {
  const { decide, purposes } = await accessFor(deps, call, rows);
  return [...purposes].filter((purpose) => isWhole(decide(purpose))).toSorted();
}

/** As `RowsAccess.requireWhole`. */
export async function requireWhole(
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
    detail: whyNot(purpose, decision, "values are shown as they are"),
    mend: "Name the purpose that your work was allowed for, or ask whoever writes the policies (portolan data policy list).",
  });
}

function whyNot(purpose: string | undefined, decision: AccessDecision, here: string): string {
  if (purpose === undefined) return "these are values of data, and no purpose is named";
  if (decision.kind === "denied") return decision.reason;
  const masked = decision.columns.find(({ mask }) => mask);
  const [hidden] = decision.hidden;
  const [filter] = decision.rowFilters;
  if (masked?.mask) return `${masked.mask.by} masks ${masked.name}, and here ${here}`;
  if (hidden) return `${hidden.name} may not be read: ${hidden.reason}`;
  if (filter) return `${filter.by} keeps rows back, and here ${here}`;
  return `${decision.minGroup?.by.join(", ") ?? "a policy"} leaves out small groups, and here ${here}`;
}
