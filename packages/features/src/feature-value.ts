/** What a feature is to a model: a number (a truth value is 0 or 1), a text of a view of values, or nothing. */
export type FeatureValue = number | string | null;

/** Bytes of UTF-8 that a text may have as a feature; a longer one is no value of a category, and null (docs/spec/features.md, F74). */
export const mostTextBytes = 255;

/** A text as a feature: as it is, or null where it is too long. Never a part of it. Pure. */
export function featureText(text: string): string | null {
  return isLongText(text) ? null : text;
}

function isLongText(text: string): boolean {
  // No character has more bytes of UTF-8 than three for each of its units.
  return text.length * 3 > mostTextBytes && Buffer.byteLength(text) > mostTextBytes;
}

/** The same in the batch plan. */
export function featureTextSql(sql: string): string {
  return `case when not (${isLongTextSql(sql)}) then ${sql} end`;
}

export function isLongTextSql(sql: string): string {
  return `strlen(${sql}) > ${mostTextBytes}`;
}

/** A text of a result row, or null. */
export function textCell(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
