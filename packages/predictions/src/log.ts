/** The log of one process, as it is written, shipped and read: what a gateway needs, and nothing of a database. */
export { findPrediction, type LoggedBlock, readLog } from "./format/reader.ts";
export {
  createShipper,
  type DeliverBlocks,
  type DeliveryAnswer,
  type Shipper,
  type ShipperOptions,
  type ShipperStatus,
} from "./shipping/shipper.ts";
export { type RecoveredLog, sealDeadWriter } from "./writer/recovery.ts";
export { openPredictionWriter, type WriterOptions } from "./writer/writer.ts";
