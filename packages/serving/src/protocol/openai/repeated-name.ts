const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];

/**
 * A name that one object of a document has twice, whatever escapes it is written with; `JSON.parse` takes the last of them, and another reader the first. Pure.
 *
 * @param json what `JSON.parse` took: in such a text a string before a colon is a name, of the innermost object that is open
 */
export function repeatedName(json: string): string | undefined {
  const open: Set<string>[] = [];
  // Between strings only braces say anything, and most of a text lies in strings, which are leapt over.
  const next = /["{}]/g;
  for (let found = next.exec(json); found; found = next.exec(json)) {
    const at = found.index;
    if (json.charCodeAt(at) !== quote) {
      if (found[0] === "{") open.push(new Set());
      else open.pop();
      continue;
    }
    const end = closingQuote(json, at + 1);
    next.lastIndex = end + 1;
    const names = open.at(-1);
    if (!names || !isBeforeColon(json, end + 1)) continue;
    const name = nameOf(json.slice(at, end + 1));
    if (names.has(name)) return name;
    names.add(name);
  }
  return undefined;
}

function closingQuote(json: string, start: number): number {
  let end = json.indexOf('"', start);
  while (isEscaped(json, end, start)) end = json.indexOf('"', end + 1);
  return end;
}

/** After an odd number of backslashes. */
function isEscaped(json: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && json.charCodeAt(first - 1) === backslash) first--;
  return (at - first) % 2 === 1;
}

function isBeforeColon(json: string, from: number): boolean {
  let at = from;
  while (" \t\r\n".includes(json.charAt(at)) && at < json.length) at++;
  return json.charCodeAt(at) === colon;
}

function nameOf(quoted: string): string {
  return quoted.includes("\\") ? String(JSON.parse(quoted)) : quoted.slice(1, -1);
}
