/** Pure: what gateways count with, and how reference profiles are made. */
export { cellCount, cellLabels } from "./cells.ts";
export { type CountedTensor, DriftCounter, type IsAbsent, splitCounts } from "./drift-counter.ts";
export { bins, levelsReference, mostLevels, numericReference } from "./reference-profile.ts";
export { nextSampling } from "./sampling.ts";
export { windowMicros, windowStartOf } from "./window.ts";
