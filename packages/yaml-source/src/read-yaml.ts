import type { ErrorLocation, JsonValue, Violation } from "@portolan/kernel";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from "yaml";

/** What sort of document is read: its bound, and the words for people who wrote one that is refused. */
export interface YamlKind {
  /** What they call it, without an article: `charter`, `contract`. */
  readonly noun: string;
  readonly maximumBytes: number;
  readonly tooLarge?: { readonly mend: string };
  readonly tooDeep?: { readonly mend: string };
}

/** Line and column of every value, by JSON pointer (RFC 6901). Both count from 1. */
export type SourceLines = Readonly<Record<string, { readonly line: number; readonly column: number }>>;

export type YamlReading =
  | { readonly kind: "read"; readonly value: JsonValue; readonly lines: SourceLines }
  | { readonly kind: "unreadable"; readonly violations: readonly Violation[] };

const maximumDepth = 32;
/** The parser spends a stack frame and more per bracket: a quarter of a megabyte of them took it a second. */
const maximumBrackets = 4096;

/**
 * Reads one YAML 1.2 document and remembers where each value stands. Bounded against hostile input: size, depth, and
 * no anchors, aliases, tags or duplicate keys, so that what is signed is what is read (docs/adr/0042). Pure.
 *
 * @param file name to show in findings, e.g. `charter.yaml`
 */
export function readYaml(text: string, kind: YamlKind, file?: string): YamlReading {
  const at = file === undefined ? {} : { at: { file } };
  if (new TextEncoder().encode(text).length > kind.maximumBytes) {
    const detail = `the ${kind.noun} is larger than ${kind.maximumBytes / 1024} KiB`;
    return unreadable({ detail, ...kind.tooLarge, ...at });
  }
  if (text.includes("\0")) {
    return unreadable({
      detail: `the ${kind.noun} holds a NUL character`,
      mend: "Save it as UTF-8 text.",
      ...at,
    });
  }
  if ((text.match(/[[{]/g)?.length ?? 0) > maximumBrackets) {
    const detail = `the ${kind.noun} holds more than ${maximumBrackets} opening brackets`;
    return unreadable({ detail, mend: "Write lists and maps on lines of their own.", ...at });
  }
  const lineCounter = new LineCounter();
  const walk = new Walk(lineCounter, kind, file);
  try {
    const document = parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      stringKeys: true,
      // The library compares each key with all before it: 250 kB of keys took half a minute. Walk looks them up.
      uniqueKeys: false,
      version: "1.2",
    });
    const problems = [...document.errors, ...document.warnings];
    // The YAML library recurses per level: a file of brackets ends its stack before our own bound is reached.
    if (problems.some(({ code }) => code === "RESOURCE_EXHAUSTION"))
      return unreadable({ ...tooDeep(kind), ...at });
    for (const problem of problems) {
      walk.report(problem.pos[0], firstSentence(problem.message), mendOf(problem.code, kind));
    }
    const value = walk.valueOf(document.contents, "", 0);
    if (walk.violations.length > 0) return { kind: "unreadable", violations: walk.violations };
    return { kind: "read", value, lines: walk.lines };
  } catch (error) {
    // Its stack may end outside what the library guards itself.
    if (error instanceof RangeError) return unreadable({ ...tooDeep(kind), ...at });
    throw error;
  }
}

/** `~` and `/` inside a key are escaped in a JSON pointer. */
export function pointerTo(parent: string, key: string): string {
  return `${parent}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Where a value stands; for one that is missing, where its nearest parent does. */
export function placeOf(
  pointer: string,
  lines: SourceLines,
): { readonly line: number; readonly column: number } | undefined {
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
    const place = lines[at];
    if (place) return { line: place.line, column: place.column };
    if (at === "") return undefined;
  }
}

function mendOf(code: string, kind: YamlKind): string | undefined {
  switch (code) {
    case "TAB_AS_INDENT":
      return "Indent with spaces.";
    case "BAD_INDENT":
      return "Indent the keys of one level alike.";
    case "MULTIPLE_DOCS":
      return `Write one ${kind.noun} per file.`;
    case "MISSING_CHAR":
      return "Close the quotation mark or bracket.";
    default:
      return undefined;
  }
}

function tooDeep(kind: YamlKind): Violation {
  return { detail: `the ${kind.noun} is nested deeper than ${maximumDepth} levels`, ...kind.tooDeep };
}

function unreadable(violation: Violation): YamlReading {
  return { kind: "unreadable", violations: [violation] };
}

function firstSentence(message: string): string {
  return message.split("\n", 1)[0]?.slice(0, 300) ?? message;
}

/** One pass over the parsed nodes: builds the value, notes the places, collects what is refused. */
class Walk {
  readonly violations: Violation[] = [];
  readonly lines: Record<string, { line: number; column: number }> = {};
  readonly #counter: LineCounter;
  readonly #kind: YamlKind;
  readonly #file: { readonly file?: string };

  constructor(counter: LineCounter, kind: YamlKind, file: string | undefined) {
    this.#counter = counter;
    this.#kind = kind;
    this.#file = file === undefined ? {} : { file };
  }

  report(offset: number, detail: string, mend: string | undefined): void {
    const { line, col } = this.#counter.linePos(offset);
    const at: ErrorLocation = { ...this.#file, line, column: col };
    this.violations.push({ detail, ...(mend === undefined ? {} : { mend }), at });
  }

  valueOf(node: unknown, pointer: string, depth: number): JsonValue {
    if (depth > maximumDepth) {
      this.violations.push({ ...tooDeep(this.#kind), at: { ...this.#file } });
      return null;
    }
    if (isAlias(node)) {
      const detail = `aliases are not allowed in a ${this.#kind.noun}`;
      this.report(node.range?.[0] ?? 0, detail, "Write the value out.");
      return null;
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
    this.#check(node);
    this.#note(pointer, node.range?.[0]);
    if (isScalar(node)) return this.#scalar(node.value, node.range?.[0] ?? 0);
    if (isSeq(node))
      return node.items.map((item, index) => this.valueOf(item, `${pointer}/${index}`, depth + 1));
    const seen = new Set<string>();
    return Object.fromEntries(
      node.items.map((pair) => {
        this.#requireNew(pair, seen);
        return this.#member(pair, pointer, depth);
      }),
    );
  }

  #requireNew({ key }: Pair, seen: Set<string>): void {
    const name = isScalar(key) ? String(key.value) : "";
    if (seen.has(name))
      this.report(
        isScalar(key) ? (key.range?.[0] ?? 0) : 0,
        `Map keys must be unique: "${name.slice(0, 60)}" appears twice`,
        "Keep one of the two keys.",
      );
    seen.add(name);
  }

  #member(pair: Pair, pointer: string, depth: number): [string, JsonValue] {
    const key = isScalar(pair.key) ? String(pair.key.value) : "";
    const at = pointerTo(pointer, key);
    const value = this.valueOf(pair.value, at, depth + 1);
    // The key's place is where an editor should jump to, for the value may start lines later.
    if (isScalar(pair.key)) this.#note(at, pair.key.range?.[0]);
    return [key, value];
  }

  #note(pointer: string, offset: number | undefined): void {
    const { line, col } = this.#counter.linePos(offset ?? 0);
    this.lines[pointer] = { line, column: col };
  }

  #check(node: Node): void {
    const offset = node.range?.[0] ?? 0;
    const { noun } = this.#kind;
    if ("anchor" in node && node.anchor !== undefined) {
      const detail = `anchors are not allowed in a ${noun}`;
      this.report(offset, detail, "Write the value out where it is used.");
    }
    if (node.tag !== undefined) {
      this.report(offset, `the tag ${node.tag} is not allowed in a ${noun}`, "Write the plain value.");
    }
  }

  #scalar(value: unknown, offset: number): JsonValue {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.report(offset, "the number has no exact form", "Write a plain decimal number.");
    return null;
  }
}
