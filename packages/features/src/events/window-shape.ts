import type { EventView } from "../view-model.ts";
import type { WindowShape } from "./event-record.ts";
import { keptType, operandIndex, operandsOf } from "./operands.ts";

/** Tiles in the longest window: a read merges so many at most, and looks into the events of one more per window. */
const tilesPerWindow = 64;

export function windowShape(view: EventView): WindowShape {
  const operands = operandsOf(view);
  const longestMicros = Math.max(...view.features.map(({ windowMicros }) => windowMicros));
  return {
    features: view.features.map(({ aggregate, windowMicros, limit, nth, scale, ...feature }) => ({
      aggregate,
      windowMicros,
      operand: operandIndex(operands, { aggregate, windowMicros, ...feature }),
      ...(limit === undefined ? {} : { limit }),
      ...(nth === undefined ? {} : { nth }),
      ...(scale === undefined ? {} : { scale }),
    })),
    operands: operands.map(keptType),
    longestMicros,
    keyParts: view.entity.length,
    tileMicros: Math.ceil(longestMicros / tilesPerWindow),
  };
}
