import type { NamedRows, PolicedRows, RowsAccess } from "@portolan/data/contract";
import {
  type CallContext,
  type EnvironmentPlace,
  PortolanError,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import type { ScoringPlan } from "./contract.ts";
import type { ScoringErrorCode } from "./errors.ts";

/** What rows are scored for, where the charter names no purpose and nobody says one. */
export const scoringPurpose = "scoring";

export interface ScoringAccess {
  readonly work: UnitOfWork;
  /** Policies on the data that is scored. */
  readonly access: RowsAccess;
  /** What a dataset or a training set is made of; implemented by `data` and `features`. */
  readonly source: (sql: Sql, organisationId: string, id: string) => Promise<PolicedRows | undefined>;
}

const mend =
  "Name the purpose that your work was allowed for (--purpose), other columns or keys, or ask whoever writes the policies (portolan data policy list).";

/**
 * Decides whether a model may look at these columns, and the keys stand beside its scores: as they are or not at all, for what is masked is not what
 * the model learned from. Columns that nobody reads do not matter. A contract of which no policy speaks is taken as it is.
 *
 * @throws PortolanError `data.access_denied`, and the refusal is on the ledger
 */
export async function requireScorable(
  { work, access, source }: ScoringAccess,
  call: CallContext,
  { dataset, inputs, keys }: Pick<ScoringPlan, "dataset" | "inputs" | "keys">,
  { at, purpose = scoringPurpose }: { readonly at: EnvironmentPlace; readonly purpose: string | undefined },
): Promise<NonNullable<ScoringPlan["access"]>> {
  const { organisationId } = call.actor;
  const rows = await work.read(call, (sql) => source(sql, organisationId, dataset.id));
  if (!rows)
    throw new PortolanError<ScoringErrorCode>("scoring.dataset_unknown", {
      detail: `there is no snapshot ${dataset.id} any more`,
      mend: "See GET /v1/datasets.",
    });
  const read = new Set([...inputs.flatMap(({ columns }) => columns), ...keys]);
  const { decisions, policyDigest } = await access.forWork(call, [onlyColumns(rows, read)], purpose, at);
  const [found] = decisions;
  if (found?.isGoverned && found.whyNotWhole !== undefined) {
    const reason = `${dataset.id} may not be scored: ${found.whyNotWhole}`;
    return access.refuse(call, { subject: dataset.id, purpose, policyDigest, reason, mend });
  }
  const policies =
    found?.isGoverned && found.decision.kind === "allowed" ? [...found.decision.policies].toSorted() : [];
  return { purpose, policies, policyDigest };
}

/**
 * The rows by the columns that are read alone. A dataset's own are what its contract says of them; of what was made of it, a column of which nothing
 * is known is as sensitive as all others together. Pure.
 */
export function onlyColumns(rows: PolicedRows, read: ReadonlySet<string>): NamedRows {
  const { columns: known } = rows;
  const [contract = ""] = rows.contracts;
  const columns = [...read].map((name) => {
    const unknown = { name, type: "string", contracts: rows.contracts };
    if (!known) return { ...unknown, from: [{ contract, column: name }] };
    return (
      known.find((column) => column.name === name) ?? { ...unknown, from: known.flatMap(({ from }) => from) }
    );
  });
  return { ...rows, columns };
}
