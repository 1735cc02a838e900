import type { Rows } from "../scoring/read-rows.ts";

/** Some rows of a table, in the order of their places. Pure. */
export function pickRows(
  { features, labels }: Pick<Rows, "features" | "labels">,
  width: number,
  places: readonly number[],
): Pick<Rows, "features" | "labels" | "count"> {
  const picked = new Float32Array(places.length * width);
  for (const [at, place] of places.entries())
    picked.set(features.subarray(place * width, (place + 1) * width), at * width);
  return {
    features: picked,
    labels: Uint8Array.from(places, (place) => labels[place] ?? 0),
    count: places.length,
  };
}
