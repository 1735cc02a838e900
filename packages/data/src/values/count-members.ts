const [quote, backslash, colon] = [34, 92, 58];
const opening = new Set([91, 123]);
const closing = new Set([93, 125]);

/**
 * How many members the outermost object of a valid JSON text names, a repeated one as often as it stands there: `JSON.parse` keeps the last
 * and says nothing. 0 for anything else. Pure, linear, without recursion.
 */
export function countMembers(text: string): number {
  let [depth, count] = [0, 0];
  const inObject = text.trimStart().startsWith("{");
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (opening.has(code)) depth += 1;
    else if (closing.has(code)) depth -= 1;
    else if (code === colon && depth === 1 && inObject) count += 1;
  }
  return count;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}
