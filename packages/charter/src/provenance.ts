import type { SourceLines } from "@portolan/yaml-source";
import type { Provenance } from "./derived.ts";

/** A pointer with its line, or with the line of the nearest enclosing value when it has none of its own. */
export function provenance(pointer: string, lines?: SourceLines): Provenance {
  if (!lines) return { pointer };
  for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    const found = lines[at];
    if (found) return { pointer, line: found.line };
  }
  return { pointer };
}
