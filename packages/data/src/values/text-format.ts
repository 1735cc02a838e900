/** A way to write dates and times: what matches `pattern` is rearranged into ISO 8601 by `replacement` (`\1` is the first group). */
export interface TextFormat {
  /** Both RE2 and JavaScript read it alike; it matches whole. */
  readonly pattern: string;
  readonly replacement: string;
}

const parts: Readonly<Record<string, string>> = {
  yyyy: "[0-9]{4}",
  MM: "[0-9]{2}",
  dd: "[0-9]{2}",
  HH: "[0-9]{2}",
  mm: "[0-9]{2}",
  ss: "[0-9]{2}",
  S: "[0-9]{1,9}",
  X: "Z|[+-][0-9]{2}(?::?[0-9]{2})?",
};
const letter = /^(yyyy|MM|dd|HH|mm|ss|S+|X+)/;

/**
 * Reads a format in the letters of the standard (`dd.MM.yyyy HH:mm`, `yyyyMMdd'T'HHmmssX`): years of four digits, all else of
 * two, a fraction `S`, an offset `X`; text between quotes and punctuation stand for themselves.
 *
 * @returns undefined for a format that says something else, or lacks what the type needs.
 */
export function readTextFormat(
  format: string,
  type: "date" | "time" | "local" | "instant",
): TextFormat | undefined {
  const groups = new Map<string, number>();
  let pattern = "";
  for (let rest = format; rest !== ""; ) {
    const found = letter.exec(rest)?.[0];
    const quoted = /^'([^']*)'/.exec(rest);
    if (found !== undefined) {
      const part = found.startsWith("S") ? "S" : found.startsWith("X") ? "X" : found;
      if (groups.has(part)) return undefined;
      groups.set(part, groups.size + 1);
      pattern += `(${parts[part] ?? ""})`;
      rest = rest.slice(found.length);
    } else if (quoted) {
      pattern += escaped(quoted[1] ?? "");
      rest = rest.slice(quoted[0].length);
    } else if (/^[A-Za-z]/.test(rest)) {
      return undefined;
    } else {
      pattern += escaped(rest[0] ?? "");
      rest = rest.slice(1);
    }
  }
  const replacement = isoOf(groups, type);
  return replacement === undefined ? undefined : { pattern, replacement };
}

function isoOf(
  groups: ReadonlyMap<string, number>,
  type: "date" | "time" | "local" | "instant",
): string | undefined {
  const at = (part: string): string | undefined =>
    groups.has(part) ? `\\${String(groups.get(part))}` : undefined;
  const [year, month, day] = [at("yyyy"), at("MM"), at("dd")];
  const [hour, minute, second, fraction, offset] = [at("HH"), at("mm"), at("ss"), at("S"), at("X")];
  const dated = year !== undefined && month !== undefined && day !== undefined;
  const clocked = hour !== undefined && minute !== undefined;
  if (type === "time" ? !clocked || year !== undefined : !dated) return undefined;
  if (type === "date" && clocked) return undefined;
  if ((fraction ?? offset) !== undefined && second === undefined) return undefined;
  const clock = clocked
    ? `${hour}:${minute}${second === undefined ? "" : `:${second}`}${fraction === undefined ? "" : `.${fraction}`}${type === "instant" ? (offset ?? "") : ""}`
    : undefined;
  if (offset !== undefined && type !== "instant") return undefined;
  if (type === "time") return clock;
  return `${year ?? ""}-${month ?? ""}-${day ?? ""}${clock === undefined ? "" : `T${clock}`}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** The ISO 8601 text of a value in a format, or undefined when it is not written so. */
export function toIso(text: string, format: TextFormat): string | undefined {
  const found = new RegExp(`^(?:${format.pattern})$`, "u").exec(text);
  return found
    ? format.replacement.replaceAll(/\\([1-9])/g, (_, n: string) => found[Number(n)] ?? "")
    : undefined;
}
