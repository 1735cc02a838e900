import { PortolanError, type Violation } from "@portolan/kernel";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** Larger documents are refused before they are parsed. */
export const maxYamlBytes = 256 * 1024;
const maxAliases = 0;

/** A node of a YAML document that knows its line; findings are collected, not thrown, so that all come at once. */
export class YamlNode {
  readonly #node: unknown;
  readonly #source: YamlSource;
  readonly #at: Node | undefined;
  readonly path: string;

  constructor(source: YamlSource, node: unknown, path: string, at: Node | undefined) {
    this.#source = source;
    this.#node = node;
    this.path = path;
    this.#at = at;
  }

  get present(): boolean {
    return this.#node !== undefined && !(isScalar(this.#node) && this.#node.value === null);
  }

  get(key: string): YamlNode {
    const pair = isMap(this.#node)
      ? this.#node.items.find((item) => isScalar(item.key) && item.key.value === key)
      : undefined;
    const at = pair && isScalar(pair.key) ? pair.key : this.#at;
    return new YamlNode(this.#source, pair?.value ?? undefined, `${this.path}/${key}`, at);
  }

  keys(): string[] {
    return isMap(this.#node)
      ? this.#node.items.map((item) => (isScalar(item.key) ? String(item.key.value) : ""))
      : [];
  }

  /** Items of a list; empty when it is absent. */
  items(): YamlNode[] {
    if (!this.present) return [];
    if (!isSeq(this.#node)) {
      this.report("must be a list", "Write its items on lines that start with a dash.");
      return [];
    }
    return this.#node.items.map(
      (item, index) =>
        new YamlNode(this.#source, item, `${this.path}/${index}`, (item as Node | null) ?? undefined),
    );
  }

  isMap(): boolean {
    return isMap(this.#node);
  }

  isScalar(): boolean {
    return isScalar(this.#node);
  }

  text(): string | undefined {
    const value = this.#scalar();
    if (typeof value === "string") return value;
    if (typeof value === "number") return String(value);
    if (this.present) this.report("must be text");
    return undefined;
  }

  requiredText(mend: string): string {
    if (!this.present) this.report("is missing", mend);
    return this.text() ?? "";
  }

  number(): number | undefined {
    const value = this.#scalar();
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (this.present) this.report("must be a number");
    return undefined;
  }

  boolean(): boolean {
    const value = this.#scalar();
    if (this.present && typeof value !== "boolean") this.report("must be true or false");
    return value === true;
  }

  /** A number or a text, as lists of valid values hold them. */
  value(): string | number | undefined {
    const value = this.#scalar();
    return typeof value === "string" || typeof value === "number" ? value : undefined;
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
    this.#source.report(this.path, what, mend, this.#at ?? (this.#node as Node | undefined));
  }

  #scalar(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined;
  }
}

/** One bounded YAML document and what is wrong with it. Aliases, tags and merges are refused: a contract is plain data. */
export class YamlSource {
  readonly violations: Violation[] = [];
  readonly #lines = new LineCounter();
  readonly #file: string;
  readonly root: YamlNode;

  constructor(text: string, file: string) {
    this.#file = file;
    if (Buffer.byteLength(text) > maxYamlBytes) {
      this.violations.push({ detail: `${file} is larger than ${maxYamlBytes} bytes` });
      this.root = new YamlNode(this, undefined, "", undefined);
      return;
    }
    const document = parseDocument(text, {
      lineCounter: this.#lines,
      schema: "core",
      merge: false,
      uniqueKeys: true,
    });
    for (const error of [...document.errors, ...document.warnings]) {
      this.violations.push({
        detail: error.message.split("\n")[0] ?? "not YAML",
        at: { file, line: error.linePos?.[0].line ?? 1, column: error.linePos?.[0].col ?? 1 },
        mend: "Correct the YAML there.",
      });
    }
    if (this.violations.length === 0) this.#refuseAliases(document);
    this.root = new YamlNode(this, this.violations.length > 0 ? undefined : document.contents, "", undefined);
  }

  report(path: string, what: string, mend: string | undefined, node: Node | undefined): void {
    const offset = node?.range?.[0];
    const position = offset === undefined ? undefined : this.#lines.linePos(offset);
    this.violations.push({
      detail: `${path === "" ? "the document" : path.slice(1).replaceAll("/", ".")} ${what}`,
      ...(mend === undefined ? {} : { mend }),
      at: {
        file: this.#file,
        ...(position ? { line: position.line, column: position.col } : {}),
        pointer: path,
      },
    });
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

  #refuseAliases(document: ReturnType<typeof parseDocument>): void {
    try {
      document.toJS({ maxAliasCount: maxAliases });
    } catch {
      this.violations.push({
        detail: `${this.#file} uses aliases`,
        mend: "Write the value out where it is used.",
      });
    }
  }
}
