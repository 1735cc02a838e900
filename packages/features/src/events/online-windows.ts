export { earlyRecord, earlySequence } from "../early/early-line.ts";
export { type EarlyChanges, type EventVersion, earlyChanges } from "../early/early-windows.ts";
export { historyMicros } from "../log/log-record.ts";
export {
  type EntityReader,
  type EntityRecent,
  type EntityRows,
  type EntitySummary,
  foldEntity,
  type KeptEvent,
  sweepEntity,
} from "./entity-windows.ts";
export type { EventRecord, WindowShape } from "./event-record.ts";
export { countIn, emptyState, isSweepDue } from "./online-tally.ts";
export { readWindows } from "./read-windows.ts";
