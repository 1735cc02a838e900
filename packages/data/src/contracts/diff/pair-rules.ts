import { same } from "./contract-change.ts";

/** A rule on both sides of a comparison; one that is absent was not there, or is no more. */
export interface RulePair<Rule> {
  readonly was?: Rule;
  readonly is?: Rule;
}

/**
 * Pairs the rules of two versions by their key, which need not be theirs alone: of those that share one, equal rules belong together, the
 * others by their order. Pure.
 *
 * @returns pairs in the order of `after`, then the rules that are gone
 */
export function pairRules<Rule>(
  before: readonly Rule[],
  after: readonly Rule[],
  key: (rule: Rule) => string,
): RulePair<Rule>[] {
  const left = [...before];
  const take = (fits: (was: Rule) => boolean): Rule | undefined => {
    const at = left.findIndex(fits);
    return at < 0 ? undefined : left.splice(at, 1)[0];
  };
  const equal = after.map((is) => take((was) => same(was, is)));
  const pairs = after.map((is, index) => {
    const was = equal[index] ?? take((rule) => key(rule) === key(is));
    return was === undefined ? { is } : { was, is };
  });
  return [...pairs, ...left.map((was) => ({ was }))];
}
