/**
 * How values are written in text, as regular expressions that mean the same in RE2 and in JavaScript: what does not match
 * whole is no value. Both executors of a contract read by these (docs/spec/data-contracts.md §2), so neither an engine's own idea of a number
 * nor its next version can part them.
 */
const dateForm = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])";
const fraction = "\\.[0-9]{1,6}0*";
const clockForm = `(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:${fraction})?)?`;
const offset = "Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?";
const clockWithOffset = `(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:${fraction})?(?:${offset})?)?`;

export const textForms = {
  integer: "-?[0-9]+(?:\\.0+)?",
  number: "-?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
  date: dateForm,
  time: clockForm,
  local: `${dateForm}(?:[ T]${clockForm})?`,
  instant: `${dateForm}(?:[ T]${clockWithOffset})?`,
} as const;

/** Words of truth, in any case. */
export const trueWords = ["true", "t", "yes", "y", "1"] as const;
export const falseWords = ["false", "f", "no", "n", "0"] as const;
