import type { Rows } from "../scoring/read-rows.ts";

/** Rows of two classes, 0 and 1, or of several by their numbers. */
export type ProbedRows = Rows<Uint8Array | Float64Array>;

/** Some rows of a table, in the order of their places. Pure. */
export function pickRows(
  { features, labels }: Pick<ProbedRows, "features" | "labels">,
  width: number,
  places: readonly number[],
): Pick<Rows<Float64Array>, "features" | "labels" | "count"> {
  const picked = new Float32Array(places.length * width);
  for (const [at, place] of places.entries())
    picked.set(features.subarray(place * width, (place + 1) * width), at * width);
  return {
    features: picked,
    labels: Float64Array.from(places, (place) => labels[place] ?? 0),
    count: places.length,
  };
}
