import type { Traffic } from "../snapshot/traffic-schema.ts";

/** What a rule or a split may look at. */
export interface RequestTraits {
  readonly principalId: string;
  /** Business unit of the caller; its organisation where it belongs to none. */
  readonly tenantId: string;
  /** The request's own header of that name, lower case. */
  readonly header: (name: string) => string | undefined;
  /** Decides where a request goes whose split is not sticky. */
  readonly requestId: string;
}

/**
 * The variant that answers a request: the first rule that fits, else the weighted split. The same key always meets the
 * same variant while the weights stay, and growing a variant's weight moves requests to it and none away from it. Pure.
 */
export function chooseVariant(traffic: Traffic, traits: RequestTraits): string {
  for (const rule of traffic.rules) {
    const value = traitOf(rule.by, traits);
    if (value !== undefined && rule.values.includes(value)) return rule.variant;
  }
  if (traffic.split.length === 0) return champion;
  const point = fraction(`${traffic.seed}\u0000${stickyKey(traffic, traits)}`);
  let upTo = 0;
  for (const { variant, weight } of traffic.split) {
    upTo += weight / 100;
    if (point < upTo) return variant;
  }
  return champion;
}

export const champion = "champion";

function stickyKey({ sticky }: Traffic, traits: RequestTraits): string {
  return sticky === "request" ? traits.requestId : (traitOf(sticky, traits) ?? traits.principalId);
}

function traitOf(
  by: Traffic["rules"][number]["by"],
  { principalId, tenantId, header }: RequestTraits,
): string | undefined {
  if (by === "principal") return principalId;
  return by === "tenant" ? tenantId : header(by.header);
}

/** A number in [0, 1) from a text: 32-bit FNV-1a with murmur3's finish, which spreads short, similar keys. */
export function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
