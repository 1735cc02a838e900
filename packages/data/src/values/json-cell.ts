/** A JSON value whose numbers are still the text that was sent: 2^53 + 1 is not rounded on its way. */
export type JsonCell =
  | string
  | boolean
  | null
  | { readonly number: string }
  | readonly JsonCell[]
  | JsonMembers;
/** Members of an object are kept apart from the wrapper of a number, whatever their names are. */
export interface JsonMembers {
  readonly members: ReadonlyMap<string, JsonCell>;
}

type Context = { readonly source?: string };
type Reviver = (this: unknown, key: string, value: unknown, context: Context) => unknown;
/** The engine hands the source of each number to the reviver (TC39 JSON.parse source text access); its types do not say so yet. */
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * Reads a JSON text.
 *
 * @throws SyntaxError for what is no JSON, and for text with half a surrogate pair, which no file could hold.
 */
export function readJsonCell(text: string): JsonCell {
  // Children come before their parents, and what is returned for one is not seen again: no object of the text can pass for a number.
  return parse(text, (_key, value, { source }) => {
    if (typeof value === "number") return { number: source ?? String(value) };
    if (typeof value === "string") return wellFormed(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const members = Object.entries(value as Record<string, JsonCell>);
    return { members: new Map(members.map(([key, cell]) => [wellFormed(key), cell])) };
  }) as JsonCell;
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new SyntaxError("half a surrogate pair");
  return text;
}

/** The members of an object; undefined for anything else. */
export function membersOf(cell: JsonCell): ReadonlyMap<string, JsonCell> | undefined {
  return typeof cell === "object" && cell !== null && "members" in cell ? cell.members : undefined;
}

/** The JSON text of a cell, numbers as they came. */
export function jsonText(cell: JsonCell): string {
  if (typeof cell === "string" || typeof cell === "boolean" || cell === null) return JSON.stringify(cell);
  if ("number" in cell) return cell.number;
  const members = membersOf(cell);
  if (!members) return `[${(cell as readonly JsonCell[]).map(jsonText).join(",")}]`;
  return `{${[...members].map(([key, value]) => `${JSON.stringify(key)}:${jsonText(value)}`).join(",")}}`;
}
