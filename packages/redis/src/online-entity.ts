import type { EntityInStore, StoredEntity } from "@portolan/features/online-values";
import type {
  EntityRecent,
  EntityRows,
  EntitySummary,
  KeptEvent,
  WindowShape,
} from "@portolan/features/online-windows";

/**
 * One entity as the fields of a hash: its values, or what is recent of its windows, under its key, and the pre-aggregates and each tile's events
 * beside it. What is asked for and was not read is noted in `missing`: whoever asked reads it, too, and asks again from the beginning.
 */
export class HashEntity implements EntityInStore, EntityRows {
  readonly #field: string;
  readonly #read: ReadonlyMap<string, string | undefined>;
  readonly #missing: Set<string>;
  /** What a fold puts, by field; undefined removes it. */
  readonly written = new Map<string, string | undefined>();

  constructor(field: string, read: ReadonlyMap<string, string | undefined>, missing: Set<string>) {
    this.#field = field;
    this.#read = read;
    this.#missing = missing;
  }

  values(): StoredEntity | undefined {
    return this.#get(this.#field) as StoredEntity | undefined;
  }

  recent(): EntityRecent | undefined {
    return this.#get(this.#field) as EntityRecent | undefined;
  }

  summary(): EntitySummary | undefined {
    return this.#get(summaryField(this.#field)) as EntitySummary | undefined;
  }

  tile(number: number): readonly KeptEvent[] {
    return (this.#get(tileField(this.#field, number)) as readonly KeptEvent[] | undefined) ?? [];
  }

  putValues(values: StoredEntity): void {
    this.written.set(this.#field, JSON.stringify(values));
  }

  putRecent(recent: EntityRecent): void {
    this.written.set(this.#field, JSON.stringify(recent));
  }

  putSummary(summary: EntitySummary): void {
    this.written.set(summaryField(this.#field), JSON.stringify(summary));
  }

  putTile(number: number, events: readonly KeptEvent[]): void {
    this.written.set(tileField(this.#field, number), JSON.stringify(events));
  }

  removeTile(number: number): void {
    this.written.set(tileField(this.#field, number), undefined);
  }

  /** Where its rows may be. */
  fields(): string[] {
    const tiles = this.summary()?.t ?? [];
    return [
      this.#field,
      summaryField(this.#field),
      ...tiles.map(([number]) => tileField(this.#field, number)),
    ];
  }

  remove(): void {
    for (const field of [this.#field, summaryField(this.#field)]) this.written.set(field, undefined);
  }

  #get(field: string): unknown {
    const text = this.#text(field);
    return text === undefined ? undefined : JSON.parse(text);
  }

  #text(field: string): string | undefined {
    if (this.written.has(field)) return this.written.get(field);
    if (!this.#read.has(field)) this.#missing.add(field);
    return this.#read.get(field);
  }
}

// A key is a JSON array, which ends with a bracket: what follows it cannot be part of another key.
/** Whose row a field is. */
export function entityOf(field: string): string {
  return field.slice(0, field.lastIndexOf("]") + 1);
}

function summaryField(field: string): string {
  return `${field}summary`;
}

function tileField(field: string, number: number): string {
  return `${field}${number}`;
}

/** What an answer at a moment takes of an entity: of windows the tiles that their edges fall into. */
export function fieldsAt(field: string, shape: WindowShape | undefined, at: number): string[] {
  if (!shape) return [field];
  const edges = shape.features.map(({ windowMicros }) => Math.floor((at - windowMicros) / shape.tileMicros));
  return [field, summaryField(field), ...[...new Set(edges)].map((number) => tileField(field, number))];
}
