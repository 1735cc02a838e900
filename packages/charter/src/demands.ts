import type { SourceLines } from "@portolan/yaml-source";
import type { ControlName } from "./controls.ts";
import type { Provenance } from "./derived.ts";
import type { CharterDocument } from "./document.ts";
import { provenance } from "./provenance.ts";
import { regulationRules } from "./regulations.ts";

/** Who demands a control: the charter's own list, and each regulation that it names. */
export function demandsFor(
  document: CharterDocument,
  control: ControlName,
  lines?: SourceLines,
): Provenance[] {
  const own = (document.demandedControls ?? []).indexOf(control);
  const byRegulation = document.nonNegotiables.regulations.flatMap((name, index) =>
    regulationRules[name].demands.includes(control) ? [`/nonNegotiables/regulations/${index}`] : [],
  );
  const pointers = [...(own < 0 ? [] : [`/demandedControls/${own}`]), ...byRegulation];
  return pointers.map((pointer) => provenance(pointer, lines));
}
