import { copyShort, type EpochMicros } from "@portolan/kernel";
import type { FeatureValue } from "../feature-value.ts";
import type {
  CellStatus,
  ColumnsQuestion,
  OnlineColumns,
  OnlineQuestion,
  OnlineReader,
  OnlineVector,
} from "../ports.ts";

/** What a cell of `OnlineColumns` may be, in the order of the numbers that stand for it. */
export const cellStatuses: readonly CellStatus[] = [
  "present",
  "null",
  "not_found",
  "outside_max_age",
  "unavailable",
];

/** A value as `OnlineColumns` has it. JSON has no NaN and no infinity: a text stands for them. Pure. */
export function cellText(value: NonNullable<FeatureValue>): string {
  if (typeof value === "string") return JSON.stringify(value);
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

const [isPresent, isNull] = [0, 1];
const numbers = new Map(cellStatuses.map((status, number) => [status, number]));

/** Bytes of a double of 17 digits, or thereabouts. */
const expectedText = 20;

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Where in a row the lengths and the texts of its values lie. */
interface RowTexts {
  readonly lengths: number;
  readonly lengthBytes: 1 | 2;
  readonly count: number;
  readonly texts: number;
}

const lengthMask = 0x7fff;

/** Puts the columns of one question together, entity by entity: each is told once. */
export class ColumnsBuilder {
  readonly #features: readonly string[];
  readonly #entities: number;
  readonly #asOf: Float64Array;
  readonly #statuses: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #text: Buffer;
  #view: DataView;
  #used = 0;

  constructor({ features, keys }: Pick<ColumnsQuestion, "features" | "keys">) {
    const cells = features.length * keys.length;
    this.#features = features;
    this.#entities = keys.length;
    this.#asOf = new Float64Array(keys.length).fill(Number.NaN);
    this.#statuses = new Uint8Array(cells).fill(isNull);
    this.#starts = new Uint32Array(cells);
    this.#ends = new Uint32Array(cells);
    this.#text = Buffer.allocUnsafe(Math.max(256, cells * expectedText));
    this.#view = viewOf(this.#text);
  }

  /** An entity of which nothing is told but why, and what it is as of where there is something. */
  absent(entity: number, status: CellStatus, asOf: number = Number.NaN): void {
    this.#asOf[entity] = asOf;
    const number = numbers.get(status) ?? isNull;
    for (let cell = entity; cell < this.#statuses.length; cell += this.#entities)
      this.#statuses[cell] = number;
  }

  /** An entity as a store answered it. */
  vector(entity: number, { status, asOf, values }: OnlineVector): void {
    if (status !== "found") {
      this.absent(entity, status, asOf);
      return;
    }
    this.#asOf[entity] = asOf ?? Number.NaN;
    for (const [feature, name] of this.#features.entries()) {
      const one = values[name];
      const cell = feature * this.#entities + entity;
      this.#statuses[cell] = numbers.get(one?.status ?? "null") ?? isNull;
      if (one?.status !== "present" || one.value === null) continue;
      const text = cellText(one.value);
      // No unit of a text has more bytes of UTF-8 than three.
      this.#reserve(text.length * 3);
      this.#starts[cell] = this.#used;
      this.#used += this.#text.write(text, this.#used);
      this.#ends[cell] = this.#used;
    }
  }

  /**
   * An entity whose values lie in one row as the texts of `cellText`, one after the other.
   * @param lengths from where in `row` on a number says the length of each text; 0 for null
   * @param lengthBytes how many bytes such a number has: one, or two, whose highest bit says that the value is a text
   * @param count how many there are
   * @param texts where in `row` they begin
   * @param places of each value which feature it is, -1 for one that is not asked for
   */
  row(
    entity: number,
    asOf: number,
    row: DataView,
    { lengths, lengthBytes, count, texts }: RowTexts,
    places: Int32Array,
  ): void {
    this.#asOf[entity] = asOf;
    const [statuses, starts, ends, entities] = [this.#statuses, this.#starts, this.#ends, this.#entities];
    const from = this.#used;
    let at = from;
    for (let index = 0; index < count; index++) {
      const length =
        lengthBytes === 1
          ? row.getUint8(lengths + index)
          : row.getUint16(lengths + index * 2, true) & lengthMask;
      const place = places[index] ?? -1;
      if (place >= 0 && length > 0) {
        const cell = place * entities + entity;
        statuses[cell] = isPresent;
        starts[cell] = at;
        ends[cell] = at + length;
      }
      at += length;
    }
    this.#reserve(at - from);
    copyShort(row, texts, at - from, this.#view, from);
    this.#used = at;
  }

  build(): OnlineColumns {
    return {
      asOf: this.#asOf,
      statuses: this.#statuses,
      starts: this.#starts,
      ends: this.#ends,
      text: this.#text.subarray(0, this.#used),
    };
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#text.length) return;
    const larger = Buffer.allocUnsafe((this.#used + bytes) * 2);
    this.#text.copy(larger, 0, 0, this.#used);
    this.#text = larger;
    this.#view = viewOf(larger);
  }
}

/** The columns of a reader that answers entity by entity. */
export function columnsBy(read: OnlineReader["read"]): OnlineReader["readColumns"] {
  return async (questions, at: EpochMicros) => {
    const asked = questions.flatMap(({ view, keys }): OnlineQuestion[] => keys.map((key) => ({ view, key })));
    const answers = await read(asked, at);
    let from = 0;
    return questions.map((question) => {
      const builder = new ColumnsBuilder(question);
      for (const entity of question.keys.keys()) {
        const answer = answers[from + entity];
        if (answer) builder.vector(entity, answer);
      }
      from += question.keys.length;
      return builder.build();
    });
  };
}

/** Columns of which nothing is known but why. */
export function columnsWithout(question: ColumnsQuestion, status: CellStatus): OnlineColumns {
  const builder = new ColumnsBuilder(question);
  for (const entity of question.keys.keys()) builder.absent(entity, status);
  return builder.build();
}
