import type { SourceLines } from "@portolan/yaml-source";
import type { ControlName } from "./controls.ts";
import { deriveFromCharter } from "./derive.ts";
import type { Provenance } from "./derived.ts";
import type { CharterDocument } from "./document.ts";

export interface ProductionBlocker {
  readonly control: ControlName;
  readonly reason: string;
  /** The line or the regulation that demands the control. */
  readonly demandedBy: readonly Provenance[];
}

/** Demanded controls that nothing enforces yet: each keeps the use case out of production. Pure. */
export function productionBlockers(document: CharterDocument, lines?: SourceLines): ProductionBlocker[] {
  return deriveFromCharter(document, lines).items.flatMap(({ control, enforcement, demandedBy }) =>
    enforcement.kind === "not_enforced" && demandedBy.length > 0
      ? [{ control, reason: `${control} is demanded and not enforced: ${enforcement.why}`, demandedBy }]
      : [],
  );
}
