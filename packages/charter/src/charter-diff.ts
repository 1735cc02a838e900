import { canonicalJson, type JsonObject, type JsonValue } from "@portolan/kernel";
import type { CharterDocument } from "./document.ts";

/** One value that differs. `before` is absent for what was added, `after` for what was removed. */
export interface CharterChange {
  /** JSON pointer into whichever of the two has the value. */
  readonly pointer: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What changed between two charters, in the order of the file. Lists compare as wholes. Pure. */
export function charterDiff(before: CharterDocument, after: CharterDocument): CharterChange[] {
  return compare(before as JsonObject, after as JsonObject, "");
}

function compare(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  pointer: string,
): CharterChange[] {
  if (isObject(before) && isObject(after)) {
    const keys = new Set([...Object.keys(after), ...Object.keys(before)]);
    return [...keys].flatMap((key) => compare(before[key], after[key], `${pointer}/${key}`));
  }
  // A stored charter has its keys in another order than a file: only the canonical form compares.
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after))
    return [];
  return [
    { pointer, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) },
  ];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
