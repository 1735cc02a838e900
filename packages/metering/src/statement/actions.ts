import { allocateWhole, type Money } from "@portolan/kernel";
import type { Allocation } from "../allocate-bill.ts";
import { type Tenant, type TenantLevel, tenantKey, type UsageLine } from "../lines.ts";
import { namesKey } from "./unit-costs.ts";

/** Below it, what was held did next to nothing: a card that waits for its notebook shows a percent or two. */
export const idleBelow = 0.05;

/** What a part of somebody's use asks for. */
export type ActionKind = "stop_idle" | "move_to_cpu" | "as_expected";

export interface Action {
  readonly kind: ActionKind;
  /** What it was for; empty where no usage says it. */
  readonly activity: string;
  /** Use cases that it was for, in the order of their names; empty where none is named. */
  readonly useCases: readonly string[];
  /** What the tenant pays for it: its own use alone, no part of what others left idle. */
  readonly cost: Money;
  /** Of what the tenant pays for its own use, 0 to 1. */
  readonly share: number;
}

interface Part {
  readonly kind: ActionKind;
  readonly activity: string;
  readonly useCases: Set<string>;
  nanos: bigint;
}

/**
 * What each name down to a level can do about what it pays for its own use. The costs of its actions sum to that, exactly; the greatest comes first.
 * Pure, and the order of the usage plays no part.
 *
 * - `stop_idle`: hours in which next to nothing was done (`UsageLine.utilisation` below `idleBelow`); ended by themselves, they cost nothing.
 * - `move_to_cpu`: predictions that were made on graphics cards; what is saved is their cost less what processors cost for them.
 * - `as_expected`: the rest.
 */
export function statementActions(
  allocation: Allocation,
  usage: Iterable<UsageLine>,
  level: TenantLevel,
): ReadonlyMap<string, readonly Action[]> {
  const weights = partsOf(usage);
  const found = new Map<string, Map<string, Part>>();
  for (const { tenant, line, own } of allocation.lines) {
    if (own.nanos === 0n) continue;
    const parts = inOrder(weights.get(JSON.stringify([tenantKey(tenant), line])));
    const amounts = allocateWhole(
      own.nanos,
      parts.map(({ quantity }) => quantity),
    );
    const name = namesKey(tenant, level);
    const sums = found.get(name) ?? new Map<string, Part>();
    found.set(name, sums);
    for (const [at, { kind, activity }] of parts.entries())
      add(sums, { kind, activity, tenant }, amounts[at] ?? 0n);
  }
  const { currency } = allocation.total;
  return new Map([...found].map(([name, sums]) => [name, actionsOf([...sums.values()], currency)]));
}

interface Weight {
  readonly kind: ActionKind;
  readonly activity: string;
  quantity: bigint;
}

/** By tenant and line, then by what is asked for and what it was for. */
function partsOf(usage: Iterable<UsageLine>): Map<string, Map<string, Weight>> {
  const found = new Map<string, Map<string, Weight>>();
  for (const line of usage) {
    const key = JSON.stringify([tenantKey(line.tenant), line.resource]);
    const weights = found.get(key) ?? new Map<string, Weight>();
    found.set(key, weights);
    const [kind, activity] = [kindOf(line), line.activity ?? ""];
    const own = JSON.stringify([kind, activity]);
    const sum = weights.get(own) ?? { kind, activity, quantity: 0n };
    weights.set(own, sum);
    sum.quantity += line.quantity;
  }
  return found;
}

function inOrder(weights: ReadonlyMap<string, Weight> | undefined): readonly Weight[] {
  const used = [...(weights ?? [])].filter(([, { quantity }]) => quantity > 0n);
  return used.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, weight]) => weight);
}

export function isPredicting(activity: string): boolean {
  return activity === "serving" || activity === "inference";
}

function kindOf({ resource, activity = "", utilisation }: UsageLine): ActionKind {
  if (utilisation !== undefined && utilisation < idleBelow) return "stop_idle";
  return isPredicting(activity) && /^(?:gpu|mig)(?:_|$)/.test(resource) ? "move_to_cpu" : "as_expected";
}

function add(
  sums: Map<string, Part>,
  {
    kind,
    activity,
    tenant,
  }: { readonly kind: ActionKind; readonly activity: string; readonly tenant: Tenant },
  nanos: bigint,
): void {
  const key = JSON.stringify([kind, activity]);
  const part = sums.get(key) ?? { kind, activity, useCases: new Set<string>(), nanos: 0n };
  sums.set(key, part);
  part.nanos += nanos;
  if (tenant.useCase !== "") part.useCases.add(tenant.useCase);
}

function actionsOf(parts: readonly Part[], currency: Money["currency"]): Action[] {
  const all = parts.reduce((sum, { nanos }) => sum + nanos, 0n);
  return parts
    .filter(({ nanos }) => nanos > 0n)
    .toSorted((a, b) =>
      a.nanos === b.nanos ? (a.kind + a.activity < b.kind + b.activity ? -1 : 1) : a.nanos > b.nanos ? -1 : 1,
    )
    .map(({ kind, activity, useCases, nanos }) => ({
      kind,
      activity,
      useCases: [...useCases].sort(),
      cost: { nanos, currency },
      share: Number((nanos * 1_000_000n) / all) / 1e6,
    }));
}
