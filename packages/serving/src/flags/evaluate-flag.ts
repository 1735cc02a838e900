import { fraction } from "../routing/choose-variant.ts";
import type { Flag, FlagRule, FlagValue } from "./flag-schema.ts";

/** What rules and shares of a flag may look at. */
export interface FlagTraits {
  readonly principalId: string;
  /** Business unit of the caller; its organisation where it belongs to none. */
  readonly tenantId: string;
  /** Teams, business units and use cases in which the caller holds a role. */
  readonly groups: readonly string[];
  /** Roles that it holds in the environment. */
  readonly roles: readonly string[];
  /** Whom the question is about, by the caller's own name for it. */
  readonly entity: string | undefined;
  /** What the caller states beside it. */
  readonly attribute: (name: string) => string | undefined;
}

/** OpenFeature's reasons. */
export type FlagReason = "STATIC" | "DEFAULT" | "TARGETING_MATCH" | "SPLIT" | "DISABLED";

export type FlagEvaluation =
  | {
      readonly kind: "value";
      readonly value: FlagValue;
      /** `on` and `off` for true and false, else the text itself. */
      readonly variant: string;
      readonly reason: FlagReason;
    }
  /** A share was asked for, and nobody said whose. */
  | { readonly kind: "entity_missing" };

/**
 * What a flag says: the first rule that fits and whose share has the entity, else the weighted split, else the default. Shares are dealt as those of
 * canaries (`chooseVariant`): the same entity always gets the same value while the weights stay, and growing one takes it from nobody. Pure.
 */
export function evaluateFlag(flag: Flag, traits: FlagTraits): FlagEvaluation {
  if (!flag.enabled) return valued(flag.default, "DISABLED");
  for (const rule of flag.rules) {
    if (!fits(rule, traits)) continue;
    if (rule.percent === undefined) return valued(rule.value, "TARGETING_MATCH");
    const point = pointOf(flag, traits);
    if (point === undefined) return { kind: "entity_missing" };
    if (point < rule.percent / 100) return valued(rule.value, "TARGETING_MATCH");
  }
  if (flag.split.length === 0) return valued(flag.default, flag.rules.length === 0 ? "STATIC" : "DEFAULT");
  const point = pointOf(flag, traits);
  if (point === undefined) return { kind: "entity_missing" };
  let upTo = 0;
  for (const { value, weight } of flag.split) {
    upTo += weight / 100;
    if (point < upTo) return valued(value, "SPLIT");
  }
  return valued(flag.default, "DEFAULT");
}

function valued(value: FlagValue, reason: FlagReason): FlagEvaluation {
  return { kind: "value", value, variant: variantOf(value), reason };
}

function variantOf(value: FlagValue): string {
  if (typeof value === "string") return value;
  return value ? "on" : "off";
}

function fits({ by, values }: FlagRule, traits: FlagTraits): boolean {
  if (by === "group") return traits.groups.some((one) => values.includes(one));
  if (by === "role") return traits.roles.some((one) => values.includes(one));
  const own = ownTrait(by, traits);
  return own !== undefined && values.includes(own);
}

function ownTrait(by: Exclude<FlagRule["by"], "group" | "role">, traits: FlagTraits): string | undefined {
  if (by === "principal") return traits.principalId;
  return by === "tenant" ? traits.tenantId : traits.attribute(by.attribute);
}

/** Where in [0, 1) the entity stands, by the hash that deals canaries. */
function pointOf({ seed, sticky }: Flag, { entity, principalId, tenantId }: FlagTraits): number | undefined {
  const own = { entity, principal: principalId, tenant: tenantId }[sticky];
  return own === undefined ? undefined : fraction(`${seed}\u0000${own}`);
}
