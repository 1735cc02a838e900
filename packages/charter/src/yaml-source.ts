import type { JsonValue, Violation } from "@portolan/kernel";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from "yaml";
import type { SourceLines } from "./derived.ts";

/** A charter is a page or two; what is larger is not read. */
export const maximumCharterBytes = 128 * 1024;
const maximumDepth = 32;

export type YamlSource =
  | { readonly kind: "read"; readonly value: JsonValue; readonly lines: SourceLines }
  | { readonly kind: "unreadable"; readonly violations: readonly Violation[] };

/**
 * Reads one YAML 1.2 document and remembers where each value stands. Bounded against hostile input: size, depth, and
 * no anchors, aliases, tags or duplicate keys, so that what is signed is what is read.
 */
export function readYaml(text: string, file: string | undefined): YamlSource {
  if (new TextEncoder().encode(text).length > maximumCharterBytes) {
    return unreadable({
      detail: `the charter is larger than ${maximumCharterBytes / 1024} KiB`,
      mend: "Keep figures and promises in it, and documents elsewhere.",
      ...(file === undefined ? {} : { at: { file } }),
    });
  }
  if (text.includes("\0")) {
    return unreadable({ detail: "the charter holds a NUL character", mend: "Save it as UTF-8 text." });
  }
  const lineCounter = new LineCounter();
  const walk = new Walk(lineCounter, file);
  try {
    const document = parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      stringKeys: true,
      version: "1.2",
    });
    for (const problem of [...document.errors, ...document.warnings]) {
      walk.report(problem.pos[0], firstSentence(problem.message), mends[problem.code]);
    }
    const value = walk.valueOf(document.contents, "", 0);
    if (walk.violations.length > 0) return { kind: "unreadable", violations: walk.violations };
    return { kind: "read", value, lines: walk.lines };
  } catch (error) {
    // The YAML library recurses per level: a file of brackets ends its stack before our own bound is reached.
    if (error instanceof RangeError) return unreadable(tooDeep(file));
    throw error;
  }
}

const mends: Readonly<Record<string, string | undefined>> = {
  DUPLICATE_KEY: "Keep one of the two keys.",
  TAB_AS_INDENT: "Indent with spaces.",
  BAD_INDENT: "Indent the keys of one level alike.",
  MULTIPLE_DOCS: "Write one charter per file.",
  MISSING_CHAR: "Close the quotation mark or bracket.",
};

function tooDeep(file: string | undefined): Violation {
  return {
    detail: `the charter is nested deeper than ${maximumDepth} levels`,
    mend: "Start from a template: portolan init --template flight-delays.",
    ...(file === undefined ? {} : { at: { file } }),
  };
}

function unreadable(violation: Violation): YamlSource {
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
  readonly #file: string | undefined;

  constructor(counter: LineCounter, file: string | undefined) {
    this.#counter = counter;
    this.#file = file;
  }

  report(offset: number, detail: string, mend: string | undefined): void {
    const { line, col } = this.#counter.linePos(offset);
    const at = { ...(this.#file === undefined ? {} : { file: this.#file }), line, column: col };
    this.violations.push({ detail, ...(mend === undefined ? {} : { mend }), at });
  }

  valueOf(node: unknown, pointer: string, depth: number): JsonValue {
    if (depth > maximumDepth) {
      this.violations.push(tooDeep(this.#file));
      return null;
    }
    if (isAlias(node)) {
      this.report(node.range?.[0] ?? 0, "aliases are not allowed in a charter", "Write the value out.");
      return null;
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
    this.#check(node);
    this.#note(pointer, node.range?.[0]);
    if (isScalar(node)) return this.#scalar(node.value, node.range?.[0] ?? 0);
    if (isSeq(node))
      return node.items.map((item, index) => this.valueOf(item, `${pointer}/${index}`, depth + 1));
    return Object.fromEntries(node.items.map((pair) => this.#member(pair, pointer, depth)));
  }

  #member(pair: Pair, pointer: string, depth: number): [string, JsonValue] {
    const key = isScalar(pair.key) ? String(pair.key.value) : "";
    const at = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
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
    if ("anchor" in node && node.anchor !== undefined) {
      this.report(offset, "anchors are not allowed in a charter", "Write the value out where it is used.");
    }
    if (node.tag !== undefined) {
      this.report(offset, `the tag ${node.tag} is not allowed in a charter`, "Write the plain value.");
    }
  }

  #scalar(value: unknown, offset: number): JsonValue {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.report(offset, "the number has no exact form", "Write a plain decimal number.");
    return null;
  }
}
