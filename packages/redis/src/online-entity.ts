import type { LogRecord } from "@portolan/features/contract";
import type { EntityInStore, StoredEntity, StoredHeader } from "@portolan/features/online-values";
import type {
  EarlyChanges,
  EntityRecent,
  EntityRows,
  EntitySummary,
  KeptEvent,
  WindowShape,
} from "@portolan/features/online-windows";
import { changesOf } from "./early-rows.ts";
import { earlyFields, type HashFields } from "./online-fields.ts";

/**
 * One entity as the fields of a hash: its values, or what is recent of its windows, under its key, and the pre-aggregates and each tile's events
 * beside it.
 */
export class HashEntity implements EntityInStore, EntityRows {
  readonly #field: string;
  readonly #fields: HashFields;
  /** Of the view's definition. */
  readonly #digest: string;

  constructor(field: string, fields: HashFields, digest: string) {
    this.#field = field;
    this.#fields = fields;
    this.#digest = digest;
  }

  values(): StoredEntity | undefined {
    return this.#fields.get(this.#field) as StoredEntity | undefined;
  }

  recent(): EntityRecent | undefined {
    return this.#fields.get(this.#field) as EntityRecent | undefined;
  }

  summary(): EntitySummary | undefined {
    return this.#fields.get(summaryField(this.#field)) as EntitySummary | undefined;
  }

  tile(number: number): readonly KeptEvent[] {
    return (this.#fields.get(tileField(this.#field, number)) as readonly KeptEvent[] | undefined) ?? [];
  }

  early(): readonly LogRecord[] {
    const at = earlyFields({ digest: this.#digest }).records(this.#field);
    return (this.#fields.get(at) as readonly LogRecord[] | undefined) ?? [];
  }

  changes(): EarlyChanges {
    return changesOf(this.#fields, { digest: this.#digest }, this.#field);
  }

  putValues(values: StoredEntity): void {
    this.#fields.put(this.#field, values);
  }

  putRecent(recent: EntityRecent): void {
    this.#fields.put(this.#field, recent);
  }

  putSummary(summary: EntitySummary): void {
    this.#fields.put(summaryField(this.#field), summary);
  }

  putTile(number: number, events: readonly KeptEvent[]): void {
    this.#fields.put(tileField(this.#field, number), events);
  }

  removeTile(number: number): void {
    this.#fields.remove(tileField(this.#field, number));
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
    for (const field of [this.#field, summaryField(this.#field)]) this.#fields.remove(field);
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

/** What an answer at a moment takes of an entity, as far as the header tells: of windows the tiles that their edges fall into. */
export function fieldsAt(field: string, header: StoredHeader | undefined, at: number): string[] {
  const shape = header?.windows;
  const { records, marks } = earlyFields(header ?? { digest: "" });
  const early = header?.isEarly ? [shape ? marks(field) : records(field)] : [];
  if (!shape) return [field, ...early];
  return [field, summaryField(field), ...early, ...edgeFields(field, shape, at)];
}

function edgeFields(field: string, shape: WindowShape, at: number): string[] {
  const edges = shape.features.map(({ windowMicros }) => Math.floor((at - windowMicros) / shape.tileMicros));
  return [...new Set(edges)].map((number) => tileField(field, number));
}
