import type { Bill } from "../lines.ts";
import type { BillMapping } from "./bill-mapping.ts";
import { lineOf } from "./bill-mapping.ts";
import type { Charge, ProviderBill } from "./charge.ts";

/** What makes a line of a bill what it is; the parts sum to the line exactly. */
export const reconcileParts = ["usage", "discounts", "commitments", "credits", "tax", "refunds"] as const;
export type ReconcilePart = (typeof reconcileParts)[number];

/** Amounts are whole 10^-18. */
export interface ReconciledLine {
  readonly line: string;
  readonly where: "both" | "estimate" | "bill";
  readonly estimated: bigint;
  readonly actual: bigint;
  /** `usage` is at the public price where the bill says one; `discounts` is what it was charged less. */
  readonly parts: Readonly<Record<ReconcilePart, bigint>>;
}

export interface Reconciliation {
  readonly lines: readonly ReconciledLine[];
  readonly estimated: bigint;
  readonly actual: bigint;
}

const attosPerNano = 10n ** 9n;
const noParts = { usage: 0n, discounts: 0n, commitments: 0n, credits: 0n, tax: 0n, refunds: 0n };

/**
 * Sets an estimate beside a bill, line by line: the differences of the lines sum to the difference of both. Pure.
 *
 * @param cost `billed` is what the invoice asks for; `effective` spreads what was paid in advance
 */
export function reconcileBill(
  estimate: Bill,
  provider: ProviderBill,
  cost: "billed" | "effective",
  mapping?: BillMapping,
): Reconciliation {
  const estimates = new Map<string, bigint>();
  for (const { name, amount } of estimate.lines)
    estimates.set(name, (estimates.get(name) ?? 0n) + amount.nanos * attosPerNano);
  const actuals = new Map<string, Record<ReconcilePart, bigint>>();
  for (const charge of provider.charges) {
    const { line } = lineOf(charge, mapping);
    const parts = actuals.get(line) ?? { ...noParts };
    actuals.set(line, parts);
    addCharge(parts, charge, cost);
  }
  const names = [...new Set([...estimates.keys(), ...actuals.keys()])].toSorted((a, b) => (a < b ? -1 : 1));
  const lines = names.map((line): ReconciledLine => {
    const parts = actuals.get(line);
    const estimated = estimates.get(line);
    return {
      line,
      where: parts === undefined ? "estimate" : estimated === undefined ? "bill" : "both",
      estimated: estimated ?? 0n,
      actual: reconcileParts.reduce((sum, part) => sum + (parts?.[part] ?? 0n), 0n),
      parts: parts ?? noParts,
    };
  });
  const sum = (of: "estimated" | "actual") => lines.reduce((total, line) => total + line[of], 0n);
  return { lines, estimated: sum("estimated"), actual: sum("actual") };
}

function addCharge(parts: Record<ReconcilePart, bigint>, charge: Charge, cost: "billed" | "effective"): void {
  const amount = charge[cost];
  if (charge.isCorrection || charge.category === "adjustment") parts.refunds += amount;
  else if (charge.category === "tax") parts.tax += amount;
  else if (charge.category === "credit") parts.credits += amount;
  else if (charge.category === "purchase") parts.commitments += amount;
  else {
    const list = charge.list ?? (charge.commitment === "" ? amount : 0n);
    parts.usage += list;
    parts[charge.commitment === "" ? "discounts" : "commitments"] += amount - list;
  }
}
