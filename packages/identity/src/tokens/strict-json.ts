/** A JSON object as parsed; members are checked one by one by the reader. */
export type JsonMembers = Readonly<Record<string, unknown>>;

const maxDepth = 16;

/**
 * Parses a JSON object and refuses what `JSON.parse` lets pass: duplicate members (two readers may then believe
 * two different tokens), and nesting deeper than any honest token. `undefined` for anything but a sound object.
 */
export function parseJsonObject(text: string): JsonMembers | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return hasDuplicatesOrDepth(text) ? undefined : (value as JsonMembers);
}

/** Scans text that is known to be valid JSON. Member names are compared after their escapes are resolved. */
function hasDuplicatesOrDepth(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(undefined);
    else if (char === "}" || char === "]") open.pop();
    else if (char === '"') {
      const end = endOfString(text, at);
      const names = open.at(-1);
      if (names && isMemberName(text, end)) {
        const name = String(JSON.parse(text.slice(at, end + 1)));
        if (names.has(name)) return true;
        names.add(name);
      }
      at = end;
    }
    if (open.length > maxDepth) return true;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** In valid JSON a string is a member's name exactly when a colon follows. */
function isMemberName(text: string, endOfName: number): boolean {
  let at = endOfName + 1;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at++;
  return text[at] === ":";
}
