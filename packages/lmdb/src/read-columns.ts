import type { ColumnsQuestion, OnlineColumns, OnlineVector } from "@portolan/features/contract";
import { ColumnsBuilder } from "@portolan/features/online-columns";
import {
  keyParts,
  recordsStanding,
  type StoredHeader,
  vectorStanding,
} from "@portolan/features/online-values";
import type { EpochMicros } from "@portolan/kernel";
import { hasEarlyRecords } from "./early-rows.ts";
import { EncodedKeys, type EncodedReader } from "./encoded-key.ts";
import { isPacked, readPacked } from "./packed-row.ts";
import { type KnownHeaders, type Values, valuePlace } from "./stored-values.ts";

/** Answers one entity of a view in the way that knows of everything. */
type ReadVector = (header: StoredHeader | undefined, key: ColumnsQuestion["keys"][number]) => OnlineVector;

const keys = new EncodedKeys();

/** Reads of one turn of the event loop are of one snapshot. Packed rows are passed on as they lie; whatever else there is, `read` answers. */
export function readColumns(
  values: Values,
  known: KnownHeaders,
  questions: readonly ColumnsQuestion[],
  at: EpochMicros,
  read: (question: ColumnsQuestion) => ReadVector,
): OnlineColumns[] {
  // Views of one entity are asked for the same entities: their keys are put into their form once.
  const parts = new Map<ColumnsQuestion["keys"], readonly string[][]>();
  return questions.map((question) => {
    const builder = new ColumnsBuilder(question);
    const header = known.of(values, question.view);
    const readVector = read(question);
    if (!header || !liesPacked(values, header, question)) {
      for (const [entity, key] of question.keys.entries()) builder.vector(entity, readVector(header, key));
      return builder.build();
    }
    const entities = parts.get(question.keys) ?? question.keys.map(keyParts);
    parts.set(question.keys, entities);
    const places = placesOf(header, question);
    const rows: EncodedReader = values;
    keys.begin(valuePlace(header, header.generation));
    for (const [entity, key] of entities.entries()) {
      const row = rows.getBinaryFast(keys.of(key));
      if (!row) builder.absent(entity, "not_found");
      else if (isPacked(row)) addRow(builder, entity, header, row, places, at);
      else builder.vector(entity, readVector(header, question.keys[entity] ?? []));
    }
    return builder.build();
  });
}

/** Whether what is online of the view is what its rows say. */
function liesPacked(values: Values, header: StoredHeader, { view }: ColumnsQuestion): boolean {
  if (header.windows || header.digest !== view.digest) return false;
  return !(header.isEarly && hasEarlyRecords(values, header));
}

interface KnownPlaces {
  readonly features: readonly string[];
  readonly places: Int32Array;
}

/** By the header that a view had when it was read last. */
const knownPlaces = new WeakMap<StoredHeader, KnownPlaces>();

/** Of each value of a row which of the features it is that are asked for, else -1. */
function placesOf(header: StoredHeader, { features }: ColumnsQuestion): Int32Array {
  const before = knownPlaces.get(header);
  if (before?.features === features) return before.places;
  const places = Int32Array.from(header.featureNames, (name) => features.indexOf(name));
  knownPlaces.set(header, { features, places });
  return places;
}

function addRow(
  builder: ColumnsBuilder,
  entity: number,
  header: StoredHeader,
  row: Uint8Array,
  places: Int32Array,
  at: EpochMicros,
): void {
  const { bytes, isVector, parts } = readPacked(row);
  const [first] = parts;
  const standing =
    isVector && first ? vectorStanding(header, first, first.event, at) : recordsStanding(header, parts, at);
  if (standing.status === "found") builder.row(entity, standing.asOf, bytes, standing.record, places);
  else builder.absent(entity, standing.status, standing.asOf);
}
