import { type AccessPolicy, masks } from "./access-policy.ts";
import {
  type AccessDecision,
  type AccessQuestion,
  type AllowedColumn,
  decideAccess,
  fitting,
  type TaggedColumn,
  taggedColumns,
} from "./decide-access.ts";
import type { ContractVersion, NamedRows, SourcedColumn } from "./policed-rows.ts";

/** Who asks, and what for. */
export type Asker = Omit<AccessQuestion, "contract" | "columns">;

type Decisions = ReadonlyMap<string, AccessDecision>;

/**
 * What policies say of rows. Of a contract's own rows they say it themselves. Of what was made of rows of contracts each contract's decision counts: a
 * column is as hidden and as masked as what it is made of, groups are as large as the strictest asks; what a row filter would keep back can no longer be
 * told apart, so that nothing made of it is shown. Pure.
 *
 * @param versions all versions of the contracts that the rows are made of
 */
export function decideRows(
  asker: Asker,
  rows: NamedRows,
  versions: ReadonlyMap<string, readonly ContractVersion[]>,
  policies: readonly AccessPolicy[],
): AccessDecision {
  const decide = (contract: string, has?: ReadonlySet<string>) => {
    const tagged = tagsOf(versions.get(contract) ?? [], rows.own?.contractDigest);
    const columns = has ? tagged.filter(({ name }) => has.has(name)) : tagged;
    return decideAccess({ ...asker, contract, columns }, policies);
  };
  const [contract = ""] = rows.contracts;
  if (rows.own) return decide(contract, rows.columns && new Set(rows.columns.map(({ name }) => name)));
  return combine(rows, new Map(rows.contracts.map((name) => [name, decide(name)])));
}

/**
 * Tags are those of the version that rows came under, and of the newest: what turned out to be sensitive is so in old data too. Of what has no
 * version those of all versions count. Of a contract that is gone nothing is known: then there is no column to read.
 */
function tagsOf(versions: readonly ContractVersion[], digest: string | undefined): TaggedColumn[] {
  const own = versions.findLast((version) => version.digest === digest);
  if (digest !== undefined && !own) return [];
  const counting = own ? [own, ...versions.slice(-1)] : versions.toReversed();
  const listed = counting.flatMap(({ columns }) => taggedColumns(columns));
  const byName = Map.groupBy(listed, ({ name }) => name);
  return [...byName.values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ ...first, tags: [...new Set(same.flatMap(({ tags }) => tags))].toSorted() }] : [];
  });
}

function combine(rows: NamedRows, decisions: Decisions): AccessDecision {
  const columns: AllowedColumn[] = [];
  const hidden: { name: string; reason: string }[] = [];
  for (const column of rows.columns ?? []) {
    const reason = whyHidden(column, decisions);
    if (reason === undefined) columns.push(masked(column, decisions));
    else hidden.push({ name: column.name, reason });
  }
  const [first] = hidden;
  if (columns.length === 0)
    return { kind: "denied", reason: `no column is allowed${first ? `: ${first.reason}` : ""}` };
  const allowed = [...decisions.values()].filter((one) => one.kind === "allowed");
  const ends = allowed.flatMap(({ expires }) => expires ?? []);
  const minGroup = groupOf(columns, rows.columns ?? [], decisions);
  return {
    kind: "allowed",
    columns,
    hidden,
    rowFilters: [],
    ...(minGroup ? { minGroup } : {}),
    ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
    policies: [...new Set(allowed.flatMap(({ policies }) => policies))].toSorted(),
  };
}

function whyHidden({ from, contracts }: SourcedColumn, decisions: Decisions): string | undefined {
  for (const contract of new Set([...contracts, ...from.map((field) => field.contract)])) {
    const decision = decisions.get(contract);
    if (!decision) return `nothing is known of ${contract}`;
    if (decision.kind === "denied") return decision.reason;
    const [filter] = decision.rowFilters;
    if (filter)
      return `${filter.by} filters rows of ${contract}, which cannot be done to what is made of them`;
  }
  for (const { contract, column } of from) {
    const decision = decisions.get(contract);
    if (decision?.kind !== "allowed" || decision.columns.some(({ name }) => name === column)) continue;
    const reason = decision.hidden.find(({ name }) => name === column)?.reason ?? "nothing is known of it";
    return `it is made of ${column} of ${contract}: ${reason}`;
  }
  return undefined;
}

/** The strictest mask of all that it is made of; what cannot be done to its own type becomes nothing. */
function masked({ name, type, from }: SourcedColumn, decisions: Decisions): AllowedColumn {
  const asked = from.flatMap(({ contract, column }) => {
    const decision = decisions.get(contract);
    const found =
      decision?.kind === "allowed" ? decision.columns.find((one) => one.name === column) : undefined;
    return found?.mask ? [{ with: fitting(found.mask.with, type), by: found.mask.by }] : [];
  });
  const [strictest] = asked.toSorted((one, other) => masks.indexOf(one.with) - masks.indexOf(other.with));
  return strictest ? { name, type, mask: strictest } : { name, type };
}

/** Over what is made of the columns that any policy names. */
function groupOf(
  columns: readonly AllowedColumn[],
  sourced: readonly SourcedColumn[],
  decisions: Decisions,
): Extract<AccessDecision, { kind: "allowed" }>["minGroup"] {
  const asking = [...decisions].flatMap(([contract, decision]) =>
    decision.kind === "allowed" && decision.minGroup ? [{ contract, ...decision.minGroup }] : [],
  );
  if (asking.length === 0) return undefined;
  const shown = new Set(columns.map(({ name }) => name));
  const over = sourced.filter(
    ({ name, from }) =>
      shown.has(name) &&
      from.some(({ contract, column }) =>
        asking.some((group) => group.contract === contract && group.over.includes(column)),
      ),
  );
  return {
    rows: Math.max(...asking.map(({ rows }) => rows)),
    over: over.map(({ name }) => name).toSorted(),
    by: [...new Set(asking.flatMap(({ by }) => by))].toSorted(),
  };
}

/** Whether nothing is kept back: every row, every column, as it is. Pure. */
export function isWhole(decision: AccessDecision): boolean {
  return (
    decision.kind === "allowed" &&
    decision.hidden.length === 0 &&
    decision.rowFilters.length === 0 &&
    decision.minGroup === undefined &&
    decision.columns.every(({ mask }) => mask === undefined)
  );
}
