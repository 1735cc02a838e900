import type { OnlineViewKey } from "@portolan/features/contract";

/**
 * Rows of a view as fields of hashes. Those of values begin with a bracket (an entity's key is a JSON list) and lie in the hash of their generation; those of
 * identities begin with `v`, and lie in another one of it; early rows lie beside all generations. A field's first letter says in which hash it is.
 */

/** The versions of an event that the log has. */
export function identityField(id: string): string {
  return `v${id}`;
}

/** Is there once all of a log's events have been noted: a generation that was folded before there were early values has none. */
export const identitiesNoted = "v";

/** Early rows lie below a definition of their view. */
export function earlyFields({ digest }: Pick<OnlineViewKey, "digest">) {
  const below = digest.slice(-16);
  return {
    below,
    /** What the fields of lines begin with; their numbers follow. */
    lines: `s${below} `,
    line: (accepted: number) => `s${below} ${accepted}`,
    /** Early records of an entity of a view of values. */
    records: (entity: string) => `e${below} ${entity}`,
    /** Of a view of windows: the early versions of an event, and who looks at it. */
    event: (id: string) => `i${below} ${id}`,
    /** Events that an entity looks at. */
    marks: (entity: string) => `m${below} ${entity}`,
  };
}

export interface FieldsByHash {
  readonly values: number;
  readonly identities: number;
  /** Those of values first, those of identities next, early ones last. */
  readonly ordered: readonly string[];
}

export function byHash(fields: Iterable<string>): FieldsByHash {
  const values: string[] = [];
  const identities: string[] = [];
  const early: string[] = [];
  for (const field of fields) {
    if (field.startsWith("[")) values.push(field);
    else if (field.startsWith("v")) identities.push(field);
    else early.push(field);
  }
  return {
    values: values.length,
    identities: identities.length,
    ordered: [...values, ...identities, ...early],
  };
}

/** What was read of a view, and what is to be written of it. What is asked for and was not read is noted: whoever asked reads it, and asks again from the beginning. */
export class HashFields {
  readonly #read: ReadonlyMap<string, string | undefined>;
  readonly missing = new Set<string>();
  /** By field; undefined removes it. */
  readonly written = new Map<string, string | undefined>();

  constructor(read: ReadonlyMap<string, string | undefined>) {
    this.#read = read;
  }

  get(field: string): unknown {
    const text = this.#text(field);
    return text === undefined ? undefined : JSON.parse(text);
  }

  put(field: string, row: unknown): void {
    this.written.set(field, JSON.stringify(row));
  }

  remove(field: string): void {
    this.written.set(field, undefined);
  }

  /** Whether any row was looked at that lies beside the values. */
  get isEarly(): boolean {
    return [...this.#read.keys(), ...this.written.keys()].some((field) => !field.startsWith("["));
  }

  /** Field and text in turn, as scripts take them. */
  changes(): string[] {
    return [...this.written].flatMap(([field, text]) => [field, text ?? ""]);
  }

  #text(field: string): string | undefined {
    if (this.written.has(field)) return this.written.get(field);
    if (!this.#read.has(field)) this.missing.add(field);
    return this.#read.get(field);
  }
}
