/** Bounds of the format (docs/spec/prediction-log.md, P2). A reader allocates nothing larger than these. */
export const maxHeaderBytes = 64 * 1024;
export const maxPayloadBytes = 16 * 1024 * 1024;
/** A frame takes at least one record, and no further one beyond `frameTargetBytes`. */
export const frameTargetBytes = 512 * 1024;
export const maxFrameBytes = maxPayloadBytes + maxHeaderBytes + frameTargetBytes + 1024;
/** A block closes after a second, or when it holds this much. */
export const blockTargetBytes = 8 * 1024 * 1024;
/** What a reader will decompress for one block: the target, and a largest frame of either durability beyond it. */
export const maxBlockRawBytes = blockTargetBytes + 2 * maxFrameBytes;
export const maxBlockRecords = 65_536;
export const maxBlockMicros = 1_000_000;
export const maxBlockEndBytes = 4 * 1024 * 1024;
/** A segment ends at the first block boundary beyond this; no block is split over two. */
export const segmentTargetBytes = 64 * 1024 * 1024 - blockTargetBytes;
