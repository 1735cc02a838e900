import { PortolanError, type Sql } from "@portolan/kernel";
import type { LineageErrorCode } from "../errors.ts";
import { nearNames } from "../near-names.ts";
import { findStarts, listNames, type Scope, type Start } from "../store/find-nodes.ts";

/** Names that are compared with one that there is not. */
const mostNames = 5000;

/** @throws PortolanError `lineage.node_not_found`, with names that are near */
export async function requireStarts(sql: Sql, scope: Scope, text: string): Promise<Start[]> {
  const starts = await findStarts(sql, scope, text);
  if (starts.length > 0) return starts;
  const near = nearNames(text, await listNames(sql, scope, mostNames));
  throw new PortolanError<LineageErrorCode>("lineage.node_not_found", {
    detail: `nothing is called ${JSON.stringify(text.slice(0, 200))} in the lineage that you may see`,
    mend:
      near.length > 0
        ? `Near it: ${near.join(", ")}.`
        : "Name a dataset, snapshot, feature view, training set, run, model/version or deployment, or dataset:<namespace>:<name>.",
  });
}
