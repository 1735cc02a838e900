import { canonicalJson } from "@portolan/kernel";
import type { ModelReference } from "../snapshot/model-schema.ts";
import type { OfferedBackend } from "./choose-backend.ts";

/** Why these cannot be places of one model; empty: they can. Pure. */
export function findBackendProblems(own: OfferedBackend, others: readonly OfferedBackend[]): string[] {
  const problems: string[] = [];
  if (own.model.upstream)
    problems.push(
      `${labelOf(own.model)} is run by another server, and the version that a deployment compares with others is measured here`,
    );
  const seen = new Set([labelOf(own.model)]);
  for (const { model } of others) {
    if (seen.has(labelOf(model))) problems.push(`${labelOf(model)} is named twice`);
    seen.add(labelOf(model));
    if (!model.upstream)
      problems.push(
        `${labelOf(model)} is run by this gateway itself: another place of ${labelOf(own.model)} is a version that another server runs`,
      );
    if (model.upstream?.protocol === "openai")
      problems.push(`${labelOf(model)} speaks text, and has one place`);
    if (formOf(model) !== formOf(own.model))
      problems.push(`${labelOf(model)} takes or gives other tensors than ${labelOf(own.model)}`);
  }
  const currencies = new Set(
    [own, ...others].flatMap(({ costPerThousand }) => costPerThousand?.split(" ")[1] ?? []),
  );
  if (currencies.size > 1)
    problems.push(
      `costs are stated in ${[...currencies].toSorted().join(" and ")}, which nothing here converts`,
    );
  return problems;
}

/** Names, datatypes and shapes, in any order. */
function formOf({ signature }: ModelReference): string {
  const forms = (tensors: ModelReference["signature"]["inputs"]) =>
    tensors.map(({ name, datatype, shape }) => canonicalJson({ name, datatype, shape })).toSorted();
  return canonicalJson({ inputs: forms(signature.inputs), outputs: forms(signature.outputs) });
}

function labelOf({ name, version }: ModelReference): string {
  return `${name}/${version}`;
}
