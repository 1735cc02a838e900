import type { TierName } from "./arrangements.ts";

/** Three figures: slow, expected, fast. */
type Three = readonly [number, number, number];

/** What nobody has measured: of one machine, or of one hard disk. */
export interface AssumedTier {
  readonly bytesPerSecond: Three;
  readonly readsPerSecond: Three;
}

/**
 * NVMe and object store of one machine, hard disks of one disk. Requests of an object store: AWS's 3,500 to 5,500 a second a prefix, of which there may be four. What
 * flows from it: published figures of 1 to 5 GB/s a connection. The rest are common figures of the hardware.
 */
export const assumedTiers: Readonly<Record<TierName, AssumedTier>> = {
  nvme: { bytesPerSecond: [3e9, 6e9, 12e9], readsPerSecond: [200_000, 500_000, 1_000_000] },
  hdd: { bytesPerSecond: [150e6, 200e6, 250e6], readsPerSecond: [75, 120, 180] },
  object: { bytesPerSecond: [1e9, 2e9, 5e9], readsPerSecond: [3500, 5500, 22_000] },
};

/** Of one hard disk. */
export const assumedDriveBytes = 20e12;
/** GPUs of one machine. */
export const assumedGpusPerNode = 8;
