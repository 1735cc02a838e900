/** How a rule is named in an annotation: commas separate rules there, so a name loses its own. */
export function ruleLabel({ name }: { readonly name: string }): string {
  return name.replaceAll(",", ";");
}
