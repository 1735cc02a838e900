import { type ValueForm, valueForms } from "./identifiers.ts";

/** A run of an address's characters is looked at once, from its beginning: long ones cost no more than their length. */
const addressBegins = "(?<![A-Za-z0-9._%+\\-])";

/** One hit is enough of these; a web address names nobody, and most numbers of ten digits or seventeen characters are something else. */
const tellingForms = valueForms
  .filter(
    ({ kind, leastShare, isNumeric }) =>
      kind !== "url" && (leastShare === 0 || (kind === "account" && isNumeric)),
  )
  .map((form) => ({ ...form, expression: new RegExp(patternOf(form), "g") }));

function patternOf({ kind, pattern }: ValueForm): string {
  return kind === "email" ? `${addressBegins}${pattern}` : pattern;
}

/**
 * Forms of personal data that a text holds (e-mail address, telephone number, social security number, IBAN, payment card, addresses of
 * machines), by name; the data itself is not told. A tenth of all numbers of 16 digits pass as payment cards by chance. Names of people
 * have no form, and are not found. Pure.
 */
export function findPersonalForms(text: string): string[] {
  const found = tellingForms.filter(({ expression, check }) =>
    [...text.matchAll(expression)].some(([match]) => check?.(match) ?? true),
  );
  return [...new Set(found.map(({ name }) => name))];
}
