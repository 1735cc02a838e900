import type { Direction } from "../store/graph.ts";

export type AskedDirection = Direction | "both";

export function directionsOf(asked: AskedDirection): readonly Direction[] {
  return asked === "both" ? ["upstream", "downstream"] : [asked];
}
