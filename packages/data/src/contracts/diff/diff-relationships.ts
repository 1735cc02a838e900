import type { DataContract, Relationship } from "../contract-model.ts";
import { breaking, type ContractChange, compatible, same } from "./contract-change.ts";
import { pairRules } from "./pair-rules.ts";

/** How much a relationship demands: what is reported refuses nothing, what refuses a batch refuses it for one row. */
const strictness = { warn: 0, quarantine: 1, refuse: 2 } as const;

/** Foreign keys: one that is new, or stricter, breaks deliveries; one that is gone leaves readers without a promise. */
export function diffRelationships(before: DataContract, after: DataContract): ContractChange[] {
  const pairs = pairRules(before.relationships ?? [], after.relationships ?? [], ({ name }) => name);
  return pairs.flatMap(({ was, is }) => {
    if (is) return diffRelationship(was, is);
    return was ? [gone(was)] : [];
  });
}

function gone(was: Relationship): ContractChange {
  const sides = { before: said(was) };
  const path = `relationships.${was.name}`;
  return was.otherwise === "warn"
    ? compatible("consumer", path, "a relationship is gone: it was only reported", sides)
    : breaking(
        "consumer",
        path,
        "rows may now lack their counterpart: who joins them may not expect that",
        sides,
      );
}

function said({ columns, target, otherwise }: Relationship): object {
  return { columns, target, otherwise };
}

function diffRelationship(was: Relationship | undefined, is: Relationship): ContractChange[] {
  if (was && same(was, is)) return [];
  const path = `relationships.${is.name}`;
  const sides = { ...(was ? { before: said(was) } : {}), after: said(is) };
  if (is.otherwise === "warn" && (!was || was.otherwise === "warn"))
    return [compatible("consumer", path, "it refuses no row and no batch", sides)];
  if (!was)
    return [
      breaking("producer", path, "a relationship is new: rows without a counterpart are refused", sides),
    ];
  if (!same(was.target, is.target))
    return [
      breaking(
        "producer",
        path,
        "it refers to other columns: rows that had a counterpart may have none",
        sides,
      ),
    ];
  if (strictness[is.otherwise] > strictness[was.otherwise])
    return [
      breaking("producer", path, "rows without a counterpart cost more: what passed may be refused", sides),
    ];
  return is.otherwise === "warn"
    ? [
        breaking(
          "consumer",
          path,
          "rows may now lack their counterpart: who joins them may not expect that",
          sides,
        ),
      ]
    : [
        compatible(
          "consumer",
          path,
          "rows without a counterpart cost less: every batch that passed still does",
          sides,
        ),
      ];
}
