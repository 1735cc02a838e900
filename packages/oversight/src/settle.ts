import type { LabelValue } from "./contract.ts";
import { sameLabel } from "./label-values.ts";

/** What the people who have concluded say together. */
export type Settlement =
  | { readonly kind: "waiting" }
  /** They differ: one more person is asked. */
  | { readonly kind: "ask"; readonly people: number }
  | { readonly kind: "settled"; readonly label: LabelValue | null };

/** Pure. One person decides alone; of several more than half must agree, and where two differ a third is asked. */
export function settle(values: readonly LabelValue[], people: number): Settlement {
  if (values.length < people) return { kind: "waiting" };
  for (const value of values) {
    const agreeing = values.filter((other) => sameLabel(value, other)).length;
    if (agreeing * 2 > values.length) return { kind: "settled", label: value };
  }
  return people < 3 ? { kind: "ask", people: 3 } : { kind: "settled", label: null };
}
