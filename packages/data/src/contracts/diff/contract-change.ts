import { canonicalJson, type JsonValue } from "@portolan/kernel";

/** One difference between two versions of a contract. */
export interface ContractChange {
  /** `breaking`: data that was good may now be refused, or who reads it meets what it did not expect. `compatible`: neither. */
  readonly kind: "breaking" | "compatible";
  /** Who is affected: who delivers data, or who reads it. */
  readonly affects: Affected;
  /** What changed, e.g. `columns.delay.type` or `rules.delay.maximum`. */
  readonly path: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
  /** Why it is what it is called, in one sentence. */
  readonly reason: string;
}
export type Affected = "producer" | "consumer" | "nobody";

/** The value on both sides; one that is absent was not there. */
export interface Sides {
  readonly before?: unknown;
  readonly after?: unknown;
}

export function breaking(affects: Affected, path: string, reason: string, sides: Sides): ContractChange {
  return { kind: "breaking", affects, path, ...present(sides), reason };
}

export function compatible(affects: Affected, path: string, reason: string, sides: Sides): ContractChange {
  return { kind: "compatible", affects, path, ...present(sides), reason };
}

function present({ before, after }: Sides): Pick<ContractChange, "before" | "after"> {
  return {
    ...(before === undefined ? {} : { before: before as JsonValue }),
    ...(after === undefined ? {} : { after: after as JsonValue }),
  };
}

/** Whether two values have the same canonical form; absent is as null. */
export function same(a: unknown, b: unknown): boolean {
  return canonicalJson((a ?? null) as JsonValue) === canonicalJson((b ?? null) as JsonValue);
}
