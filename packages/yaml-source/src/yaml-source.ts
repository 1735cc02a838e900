import { type JsonObject, type JsonValue, PortolanError, type Violation } from "@portolan/kernel";
import { placeOf, pointerTo, readYaml, type SourceLines, type YamlKind } from "./read-yaml.ts";

/** A part of a document that knows its place; findings are collected, not thrown, so that all come at once. */
export class YamlNode {
  readonly #source: YamlSource;
  readonly #value: JsonValue | undefined;
  /** For people: `schema.0.name`. */
  readonly #path: readonly string[];
  readonly #pointer: string;

  constructor(source: YamlSource, value: JsonValue | undefined, path: readonly string[], pointer: string) {
    this.#source = source;
    this.#value = value;
    this.#path = path;
    this.#pointer = pointer;
  }

  /** What stands there; `null` is a key without a value. */
  get kind(): "missing" | "null" | "text" | "number" | "boolean" | "list" | "map" {
    const value = this.#value;
    if (value === undefined) return "missing";
    if (value === null) return "null";
    if (isList(value)) return "list";
    switch (typeof value) {
      case "string":
        return "text";
      case "number":
        return "number";
      case "boolean":
        return "boolean";
      default:
        return "map";
    }
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  get(key: string): YamlNode {
    const map = this.#map();
    return this.#child(key, map && Object.hasOwn(map, key) ? map[key] : undefined);
  }

  keys(): string[] {
    return Object.keys(this.#map() ?? {});
  }

  /** Items of a list; empty when it is absent. */
  items(): YamlNode[] {
    if (!this.present) return [];
    if (!isList(this.#value)) {
      this.report("must be a list", "Write its items on lines that start with a dash.");
      return [];
    }
    return this.#value.map((item, index) => this.#child(String(index), item));
  }

  isMap(): boolean {
    return this.#map() !== undefined;
  }

  isScalar(): boolean {
    return this.#value !== undefined && (this.#value === null || typeof this.#value !== "object");
  }

  text(): string | undefined {
    if (typeof this.#value === "string") return this.#value;
    if (typeof this.#value === "number") return String(this.#value);
    if (this.present) this.report("must be text");
    return undefined;
  }

  requiredText(mend: string): string {
    if (!this.present) this.report("is missing", mend);
    return this.text() ?? "";
  }

  number(): number | undefined {
    if (typeof this.#value === "number") return this.#value;
    if (this.present) this.report("must be a number");
    return undefined;
  }

  boolean(): boolean {
    if (this.present && typeof this.#value !== "boolean") this.report("must be true or false");
    return this.#value === true;
  }

  /** A number, a text or a truth value, as lists of valid values hold them. */
  value(): string | number | boolean | undefined {
    const value = this.#value;
    return typeof value === "object" || value === undefined ? undefined : value;
  }

  /** The value as it was read, with all below it. */
  json(): JsonValue | undefined {
    return this.#value;
  }

  oneOf<T extends string>(values: readonly T[], mend?: string): T | undefined {
    const text = this.text();
    const found = values.find((value) => value === text);
    if (text !== undefined && !found)
      this.report(`is "${text.slice(0, 60)}"`, mend ?? `Use one of: ${values.join(", ")}.`);
    return found;
  }

  /** Reports every key that is not among the known ones. */
  only(known: readonly string[]): void {
    for (const key of this.keys()) {
      if (!known.includes(key)) this.get(key).report("is not known here", `Use one of: ${known.join(", ")}.`);
    }
  }

  report(what: string, mend?: string): void {
    const path = this.#path.length === 0 ? "the document" : this.#path.join(".");
    this.#source.report(this.#pointer, `${path} ${what}`, mend);
  }

  #child(key: string, value: JsonValue | undefined): YamlNode {
    return new YamlNode(this.#source, value, [...this.#path, key], pointerTo(this.#pointer, key));
  }

  #map(): JsonObject | undefined {
    const value = this.#value;
    return typeof value === "object" && value !== null && !isList(value) ? value : undefined;
  }
}

/** One bounded YAML document and what is wrong with it. */
export class YamlSource {
  readonly violations: Violation[] = [];
  readonly root: YamlNode;
  readonly #lines: SourceLines;
  readonly #file: string;

  constructor(text: string, kind: YamlKind, file: string) {
    this.#file = file;
    const reading = readYaml(text, kind, file);
    if (reading.kind === "unreadable") this.violations.push(...reading.violations);
    this.#lines = reading.kind === "read" ? reading.lines : {};
    this.root = new YamlNode(this, reading.kind === "read" ? reading.value : undefined, [], "");
  }

  /** Keeps a finding; the same one at the same place counts once. */
  report(pointer: string, detail: string, mend: string | undefined): void {
    if (this.violations.some((known) => known.detail === detail && known.at?.pointer === pointer)) return;
    const at = { file: this.#file, ...placeOf(pointer, this.#lines), pointer };
    this.violations.push({ detail, ...(mend === undefined ? {} : { mend }), at });
  }

  /** Throws when anything was reported. */
  settle(code: string): void {
    const [first] = this.violations;
    if (!first) return;
    const place = first.at?.line ? `line ${first.at.line}: ` : "";
    const more = this.violations.length > 1 ? ` (and ${this.violations.length - 1} more)` : "";
    throw new PortolanError(code, {
      detail: `${this.#file}: ${place}${first.detail}${more}`,
      ...(first.mend === undefined ? {} : { mend: first.mend }),
      ...(first.at === undefined ? {} : { at: first.at }),
      violations: this.violations,
    });
  }
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
