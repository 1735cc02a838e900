import type { JsonValue } from "@portolan/kernel";
import type { ControlName } from "./controls.ts";
import type { DerivedGroup } from "./derived.ts";

/** One thing that follows from a charter, by the pointers that it follows from. */
export interface Fact {
  readonly control: ControlName;
  readonly group: DerivedGroup;
  readonly from: readonly string[];
  readonly statement: string;
  readonly value: JsonValue;
}

export function fact(
  control: ControlName,
  group: DerivedGroup,
  from: string | readonly string[],
  statement: string,
  value: JsonValue,
): Fact {
  return { control, group, from: typeof from === "string" ? [from] : from, statement, value };
}
