/** Shorter values stand in other texts by chance. */
export const leastWord = 5;

/** Whether a name is looked for in columns that name data subjects alone, and in no text. Pure. */
export function isTooShort(name: string): boolean {
  return name.length < leastWord;
}

/** RE2 and JavaScript: the text between characters that belong to no word. */
function escaped(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

/** For DuckDB (RE2), which knows no look-around. */
export function wordPatternSql(text: string): string {
  return `(^|[^\\pL\\pN])${escaped(text)}($|[^\\pL\\pN])`;
}

/**
 * Whether the text stands in another one as a word of its own. Pure.
 *
 * @param cut ends of the other one that are no ends: a word there counts only where the character beyond it is seen
 */
export function hasWord(
  haystack: string,
  text: string,
  cut: { readonly start?: boolean; readonly end?: boolean } = {},
): boolean {
  const before = cut.start ? "(?<=[^\\p{L}\\p{N}])" : "(?<![\\p{L}\\p{N}])";
  const after = cut.end ? "(?=[^\\p{L}\\p{N}])" : "(?![\\p{L}\\p{N}])";
  return new RegExp(`${before}${escaped(text)}${after}`, "u").test(haystack);
}
