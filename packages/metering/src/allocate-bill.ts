import { addMoney, allocate, allocateWhole, type Money, PortolanError, zeroMoney } from "@portolan/kernel";
import type { MeteringErrorCode } from "./errors.ts";
import { type Bill, type BillLine, type Tenant, tenantKey, type UsageLine } from "./lines.ts";
import { quantityText } from "./quantity.ts";

export interface AllocationOrder {
  /** What nobody used: a line of its own, or split among the tenants of the resource by what they used. */
  readonly idle: "separate" | "split";
  /** Shared lines: to all tenants alike, by what they owe otherwise, or by weights (of tenants' business units and teams) that somebody agreed on. */
  readonly shared: "uniform" | "proportional" | ReadonlyMap<string, bigint>;
  /** What is kept for whom: who uses less owes for the rest of it, and that much less of the line is idle. */
  readonly quotas?: readonly UsageLine[];
}

/** What a tenant owes for one line of the bill. */
export interface AllocatedLine {
  readonly tenant: Tenant;
  readonly line: string;
  /** In `partsPerUnit`; 0 of shared lines. */
  readonly quantity: bigint;
  /** For what it used. */
  readonly own: Money;
  /** For what was kept for it and not used. */
  readonly quota: Money;
  /** Its part of what nobody used. */
  readonly idle: Money;
  /** Its part of a shared line. */
  readonly shared: Money;
}

export interface Allocation {
  readonly lines: readonly AllocatedLine[];
  /** What nobody used or nobody can be asked for, by line. */
  readonly unattributed: readonly {
    readonly line: string;
    readonly quantity: bigint;
    readonly amount: Money;
  }[];
  /** All of the bill: the sum of all lines and of what is unattributed, exactly. */
  readonly total: Money;
}

/**
 * Splits a bill by usage. Parts are exact: what is left of a division goes to the largest remainders, and equal ones in the order of the tenants' names, so that the
 * order of the input plays no part. Usage is read once, and only sums are kept. Pure.
 *
 * @throws PortolanError `metering.not_allocatable` where a resource is not billed, more was used than paid for, or a weight names nobody
 */
export function allocateBill(bill: Bill, usage: Iterable<UsageLine>, order: AllocationOrder): Allocation {
  const byResource = usedBy(usage);
  const kept = usedBy(order.quotas ?? []);
  const metered = bill.lines.filter(({ kind }) => kind === "metered");
  requireBilled(metered, byResource);
  requireKept(metered, kept);
  const lines: AllocatedLine[] = [];
  const unattributed: Allocation["unattributed"][number][] = [];
  for (const line of sorted(metered)) {
    const split = splitMetered(
      line,
      withQuotas(byResource.get(line.name) ?? [], kept.get(line.name) ?? []),
      order.idle,
    );
    lines.push(...split.lines);
    if (split.left) unattributed.push({ line: line.name, ...split.left });
  }
  const owed = owedBy(lines, bill);
  for (const line of sorted(bill.lines.filter(({ kind }) => kind === "shared"))) {
    const split = splitShared(line, owed, order.shared);
    if (split.length === 0) unattributed.push({ line: line.name, quantity: 0n, amount: line.amount });
    lines.push(...split);
  }
  const total = bill.lines.reduce((sum, { amount }) => addMoney(sum, amount), zeroMoney(bill.currency));
  return { lines, unattributed, total };
}

function sorted(lines: readonly BillLine[]): BillLine[] {
  return lines.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

interface Used {
  readonly key: string;
  readonly tenant: Tenant;
  readonly quantity: bigint;
}

/** Sums of each tenant by resource, in the order of the tenants' keys. */
function usedBy(usage: Iterable<UsageLine>): Map<string, Used[]> {
  const sums = new Map<string, Map<string, Used>>();
  for (const { tenant, resource, quantity } of usage) {
    const tenants = sums.get(resource) ?? new Map<string, Used>();
    sums.set(resource, tenants);
    const key = tenantKey(tenant);
    tenants.set(key, { key, tenant, quantity: (tenants.get(key)?.quantity ?? 0n) + quantity });
  }
  const inOrder = (tenants: ReadonlyMap<string, Used>) =>
    [...tenants.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return new Map([...sums].map(([resource, tenants]) => [resource, inOrder(tenants)]));
}

function requireBilled(metered: readonly BillLine[], used: ReadonlyMap<string, readonly Used[]>): void {
  const billed = new Map(metered.map((line) => [line.name, line]));
  if (billed.size < metered.length)
    throw refused("a resource is billed on two lines", "Give each line of the bill a name of its own.");
  for (const [resource, tenants] of used) {
    const line = billed.get(resource);
    if (!line)
      throw refused(
        `${JSON.stringify(resource.slice(0, 60))} was used and is not on the bill`,
        `The bill has ${[...billed.keys()].join(", ") || "no metered line"}.`,
      );
    const sum = tenants.reduce((total, { quantity }) => total + quantity, 0n);
    if (line.capacity !== undefined && sum > line.capacity)
      throw refused(
        `of ${resource} ${quantityText(sum)} was used and ${quantityText(line.capacity)} paid for`,
        "One of both files is of another stretch of time, or counts something twice.",
      );
  }
}

/** A tenant's use of a resource, and how much of what is kept for it is left. */
interface Held extends Used {
  readonly unused: bigint;
}

/** In the order of the tenants' keys. */
function withQuotas(used: readonly Used[], kept: readonly Used[]): Held[] {
  const held = new Map<string, Held>(used.map((one) => [one.key, { ...one, unused: 0n }]));
  for (const { key, tenant, quantity } of kept) {
    const before = held.get(key)?.quantity ?? 0n;
    held.set(key, { key, tenant, quantity: before, unused: positive(quantity - before) });
  }
  return [...held.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

function requireKept(metered: readonly BillLine[], kept: ReadonlyMap<string, readonly Used[]>): void {
  for (const resource of kept.keys())
    if (metered.find(({ name }) => name === resource)?.capacity === undefined)
      throw refused(
        `a quota is of ${JSON.stringify(resource.slice(0, 60))}, of which the bill has no line with a capacity`,
        "Quotas are of what is paid for whether it is used or not.",
      );
}

/**
 * Use first, then what is kept and unused, then the rest. Where more is kept than there is (quotas may be overbooked), all that is free is split by what each left
 * unused: nothing is owed twice.
 */
function splitMetered(line: BillLine, tenants: readonly Held[], idle: AllocationOrder["idle"]) {
  const { amount, capacity, name } = line;
  const none = zeroMoney(amount.currency);
  const weights = tenants.map(({ quantity }) => quantity);
  const used = sumOf(weights);
  const free = capacity === undefined ? 0n : capacity - used;
  const unused = tenants.map((tenant) => tenant.unused);
  const reserved = sumOf(unused) > free ? free : sumOf(unused);
  if (used === 0n && reserved === 0n) return { lines: [], left: { quantity: free, amount } };
  const parts = allocate(amount, [...weights, free]);
  const ofFree = allocate(parts.at(-1) ?? none, [reserved, free - reserved]);
  const quotas = reserved === 0n ? unused.map(() => none) : allocate(ofFree[0] ?? none, unused);
  const left = reserved === 0n ? (parts.at(-1) ?? none) : (ofFree[1] ?? none);
  const isSplit = idle === "split" && used > 0n;
  const shares = isSplit ? allocate(left, weights) : weights.map(() => none);
  const lines = tenants.map(
    ({ tenant, quantity }, index): AllocatedLine => ({
      tenant,
      line: name,
      quantity,
      own: parts[index] ?? none,
      quota: quotas[index] ?? none,
      idle: shares[index] ?? none,
      shared: none,
    }),
  );
  const isWhole = isSplit || free === reserved;
  return { lines, left: isWhole ? undefined : { quantity: free - reserved, amount: left } };
}

function sumOf(quantities: readonly bigint[]): bigint {
  return quantities.reduce((sum, quantity) => sum + quantity, 0n);
}

interface Owed {
  readonly tenant: Tenant;
  readonly nanos: bigint;
}

function owedBy(lines: readonly AllocatedLine[], { currency }: Bill): Owed[] {
  const sums = new Map<string, { tenant: Tenant; nanos: bigint }>();
  for (const { tenant, own, quota, idle } of lines) {
    const key = tenantKey(tenant);
    const before = sums.get(key)?.nanos ?? zeroMoney(currency).nanos;
    sums.set(key, { tenant, nanos: before + own.nanos + quota.nanos + idle.nanos });
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, owed]) => owed);
}

function splitShared(
  line: BillLine,
  owed: readonly Owed[],
  method: AllocationOrder["shared"],
): AllocatedLine[] {
  if (owed.length === 0) return [];
  const none = zeroMoney(line.amount.currency);
  const parts = allocate(line.amount, sharedWeights(owed, method));
  return owed.map(({ tenant }, index) => ({
    tenant,
    line: line.name,
    quantity: 0n,
    own: none,
    quota: none,
    idle: none,
    shared: parts[index] ?? none,
  }));
}

function sharedWeights(owed: readonly Owed[], method: AllocationOrder["shared"]): bigint[] {
  if (method === "uniform") return owed.map(() => 1n);
  // Who is owed money takes no part of what others share.
  if (method === "proportional") return owed.map(({ nanos }) => (nanos > 0n ? nanos : 0n));
  return agreedWeights(owed, method);
}

/** A weight is split among the tenants of its business unit or `unit/team` by what they owe; a team with a weight of its own takes no part of its unit's. */
function agreedWeights(owed: readonly Owed[], weights: ReadonlyMap<string, bigint>): bigint[] {
  const ownerOf = ({ tenant }: Owed): string | undefined =>
    [`${tenant.businessUnit}/${tenant.team}`, tenant.businessUnit].find((name) => weights.has(name));
  const owners = new Map<string, number[]>();
  for (const [index, one] of owed.entries()) {
    const owner = ownerOf(one);
    if (owner !== undefined) owners.set(owner, [...(owners.get(owner) ?? []), index]);
  }
  const unknown = [...weights.keys()].filter((name) => !owners.has(name));
  if (unknown.length > 0)
    throw refused(
      `nobody of ${unknown.join(", ")} is on the bill`,
      "Name business units or unit/team as the usage does.",
    );
  const shares = owed.map(() => 0n);
  for (const [owner, indexes] of owners) {
    const parts = allocateWhole(
      (weights.get(owner) ?? 0n) * weightScale,
      indexes.map((index) => positive(owed[index]?.nanos ?? 0n)),
    );
    for (const [at, index] of indexes.entries()) shares[index] = parts[at] ?? 0n;
  }
  return shares;
}

/** So fine are weights split within a business unit. */
const weightScale = 1_000_000_000_000n;

function positive(nanos: bigint): bigint {
  return nanos > 0n ? nanos : 0n;
}

function refused(detail: string, mend: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.not_allocatable", { detail, mend });
}
