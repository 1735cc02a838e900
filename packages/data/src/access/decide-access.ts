import type { ContractColumn } from "../contracts/contract-model.ts";
import {
  type AccessPolicy,
  type ColumnSelector,
  type LeastGroup,
  type Mask,
  masks,
} from "./access-policy.ts";

export interface TaggedColumn {
  readonly name: string;
  readonly type: string;
  /** Its own, its classification, and those of the columns that it is derived from. */
  readonly tags: readonly string[];
}

/** Who asks for which data, and what for. */
export interface AccessQuestion {
  readonly principal: string;
  /** Those of the policies' roles that the principal holds where the data lie. */
  readonly roles: readonly string[];
  readonly purpose: string;
  readonly contract: string;
  readonly environment: string;
  readonly columns: readonly TaggedColumn[];
  /** Epoch microseconds. */
  readonly now: number;
}

export interface AllowedColumn {
  readonly name: string;
  readonly type: string;
  /** The strictest that any policy asks for, and which does. */
  readonly mask?: { readonly with: Mask; readonly by: string };
}

export type AccessDecision =
  | { readonly kind: "denied"; readonly reason: string; readonly by?: string }
  | {
      readonly kind: "allowed";
      readonly columns: readonly AllowedColumn[];
      readonly hidden: readonly { readonly name: string; readonly reason: string }[];
      /** All of them hold for a row that is read. */
      readonly rowFilters: readonly { readonly expression: string; readonly by: string }[];
      readonly minGroup?: LeastGroup & { readonly by: readonly string[] };
      /** When the first of the policies that allow or restrict ends; epoch microseconds. */
      readonly expires?: number;
      /** Names of the policies that took part. */
      readonly policies: readonly string[];
    };

/**
 * Default deny; deny wins; all row filters hold; the strictest mask wins and is named; groups are as large as the strictest policy asks,
 * over all columns that any names. Pure: the same question and policies, the same decision.
 */
export function decideAccess(question: AccessQuestion, policies: readonly AccessPolicy[]): AccessDecision {
  const applying = policies.filter((policy) => applies(policy, question));
  const whole = applying.find((policy) => policy.effect === "deny" && selectsAll(policy));
  if (whole) return { kind: "denied", reason: `${whole.name} denies it`, by: whole.name };
  const allows = applying.filter(({ effect }) => effect === "allow");
  if (allows.length === 0)
    return {
      kind: "denied",
      reason: `no policy allows ${question.contract} for the purpose ${question.purpose}`,
    };
  const limits = applying.filter(({ effect }) => effect !== "deny");
  const hidden: { name: string; reason: string }[] = [];
  const columns: AllowedColumn[] = [];
  for (const column of question.columns) {
    const denied = applying.find((policy) => policy.effect === "deny" && selects(policy, column));
    if (denied) hidden.push({ name: column.name, reason: `${denied.name} denies it` });
    else if (!allows.some((policy) => selectsAll(policy) || selects(policy, column)))
      hidden.push({ name: column.name, reason: "no policy allows it" });
    else columns.push(masked(column, limits));
  }
  if (columns.length === 0) return { kind: "denied", reason: "no column is allowed" };
  const ends = limits.flatMap(({ expires }) => expires ?? []);
  const minGroup = strictestGroup(limits);
  return {
    kind: "allowed",
    columns,
    hidden,
    rowFilters: limits.flatMap(({ name, rows }) =>
      rows === undefined ? [] : [{ expression: rows, by: name }],
    ),
    ...(minGroup ? { minGroup } : {}),
    ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
    policies: applying.map(({ name }) => name),
  };
}

function applies(policy: AccessPolicy, question: AccessQuestion): boolean {
  const { roles, principals } = policy;
  const isMeant =
    (roles === undefined && principals === undefined) ||
    (roles ?? []).some((role) => question.roles.includes(role)) ||
    (principals ?? []).includes(question.principal);
  const isOver = policy.effect !== "deny" && policy.expires !== undefined && question.now >= policy.expires;
  return (
    isMeant &&
    !isOver &&
    names(policy.purposes, question.purpose) &&
    names(policy.contracts, question.contract) &&
    names(policy.environments, question.environment)
  );
}

function names(listed: readonly string[] | undefined, value: string): boolean {
  return listed === undefined || listed.includes(value);
}

function selectsAll({ columns, tags }: ColumnSelector): boolean {
  return columns === undefined && tags === undefined;
}

function selects({ columns = [], tags = [] }: ColumnSelector, column: TaggedColumn): boolean {
  return columns.includes(column.name) || tags.some((tag) => column.tags.includes(tag));
}

function masked({ name, type, tags }: TaggedColumn, limits: readonly AccessPolicy[]): AllowedColumn {
  const asked = limits.flatMap((policy) =>
    policy.masks
      .filter((rule) => selectsAll(rule) || selects(rule, { name, type, tags }))
      .map((rule) => ({ with: fitting(rule.with, type), by: policy.name })),
  );
  const [strictest] = asked.toSorted((one, other) => masks.indexOf(one.with) - masks.indexOf(other.with));
  return strictest ? { name, type, mask: strictest } : { name, type };
}

/** What a mask cannot be done to becomes nothing: a number has no last characters, and a text no year. */
export function fitting(mask: Mask, type: string): Mask {
  if (mask === "year") return ["date", "instant", "local"].includes(type) ? mask : "null";
  if (mask === "partial") return type === "string" ? mask : "null";
  return mask;
}

function strictestGroup(
  limits: readonly AccessPolicy[],
): (LeastGroup & { readonly by: readonly string[] }) | undefined {
  const asking = limits.flatMap(({ name, minGroup }) => (minGroup ? [{ name, ...minGroup }] : []));
  if (asking.length === 0) return undefined;
  return {
    rows: Math.max(...asking.map(({ rows }) => rows)),
    over: [...new Set(asking.flatMap(({ over }) => over))].toSorted(),
    by: asking.map(({ name }) => name),
  };
}

/** Columns of a contract with the tags that they have and inherit: what is derived is as sensitive as what it is derived from. Pure. */
export function taggedColumns(columns: readonly ContractColumn[]): TaggedColumn[] {
  const own = new Map(
    columns.map(({ name, tags = [], classification }) => [
      name,
      [...tags, ...(classification === undefined ? [] : [classification])],
    ]),
  );
  return columns.map(({ name, type, localTime }) => {
    const from = localTime ? [localTime.from, localTime.key] : [];
    return {
      name,
      type,
      tags: [...new Set([name, ...from].flatMap((one) => own.get(one) ?? []))].toSorted(),
    };
  });
}
