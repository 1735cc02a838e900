/** One kind of instance that a card can be cut into. */
export interface MigProfile {
  /** As NVIDIA names it, such as `1g.10gb` or `1g.10gb+me`. */
  readonly name: string;
  readonly computeSlices: number;
  readonly memorySlices: number;
  /** Memory slices at which one may begin. */
  readonly starts: readonly number[];
  /** Whether it has the card's media engines, which one instance of a card can have. */
  readonly hasMedia: boolean;
  /** Usable memory in GiB; absent where no source states it. */
  readonly memoryGib?: number;
  /** Streaming multiprocessors; absent where no source states them. */
  readonly multiprocessors?: number;
}

/** A card that can be cut into instances (NVIDIA Multi-Instance GPU). */
export interface MigModel {
  readonly name: string;
  readonly computeSlices: number;
  readonly memorySlices: number;
  /** As `device-filter` of mig-parted has them. */
  readonly deviceIds: readonly string[];
  /** Whether where instances may begin was read from a real card or NVIDIA's guide, and not inferred from a sibling. */
  readonly isVerified: boolean;
  readonly profiles: readonly MigProfile[];
}

type Six<T> = readonly [T, T, T, T, T, T];

interface SevenSlices {
  readonly name: string;
  readonly deviceIds: readonly string[];
  readonly isVerified: boolean;
  /** Marketing gigabytes of an eighth, a quarter, a half and the whole. */
  readonly gb: readonly [number, number, number, number];
  /** Usable GiB of the same. */
  readonly gib: readonly [number, number, number?, number?];
  /** Multiprocessors of 1g, 1g with double memory, 2g, 3g, 4g, 7g. */
  readonly multiprocessors: Six<number | undefined>;
}

/**
 * Cards with seven compute and eight memory slices differ in names and sizes alone. Starts and sizes: `nvidia-smi mig -lgipp` on A100 and H100, and
 * NVIDIA's MIG user guide.
 */
function sevenSlices({ name, deviceIds, isVerified, gb, gib, multiprocessors }: SevenSlices): MigModel {
  const [sm1, sm1Double, sm2, sm3, sm4, sm7] = multiprocessors;
  const of = (
    compute: number,
    share: 0 | 1 | 2 | 3,
    starts: readonly number[],
    sm: number | undefined,
    media = "",
  ): MigProfile => {
    const memoryGib = gib[share];
    return {
      name: `${compute}g.${gb[share]}gb${media}`,
      computeSlices: compute,
      memorySlices: 2 ** share,
      starts,
      hasMedia: media !== "",
      ...(memoryGib === undefined ? {} : { memoryGib }),
      ...(sm === undefined ? {} : { multiprocessors: sm }),
    };
  };
  const single = [0, 1, 2, 3, 4, 5, 6];
  return {
    name,
    computeSlices: 7,
    memorySlices: 8,
    deviceIds,
    isVerified,
    profiles: [
      of(1, 0, single, sm1),
      of(1, 0, single, sm1, "+me"),
      of(1, 1, [0, 2, 4, 6], sm1Double),
      of(2, 1, [0, 2, 4], sm2),
      of(3, 2, [0, 4], sm3),
      of(4, 2, [0], sm4),
      of(7, 3, [0], sm7),
    ],
  };
}

const a30: MigModel = {
  name: "A30-24GB",
  computeSlices: 4,
  memorySlices: 4,
  deviceIds: ["0x20B710DE"],
  isVerified: true,
  profiles: [
    { name: "1g.6gb", computeSlices: 1, memorySlices: 1, starts: [0, 1, 2, 3], hasMedia: false },
    { name: "1g.6gb+me", computeSlices: 1, memorySlices: 1, starts: [0, 1, 2, 3], hasMedia: true },
    { name: "2g.12gb", computeSlices: 2, memorySlices: 2, starts: [0, 2], hasMedia: false },
    { name: "2g.12gb+me", computeSlices: 2, memorySlices: 2, starts: [0, 2], hasMedia: true },
    { name: "4g.24gb", computeSlices: 4, memorySlices: 4, starts: [0], hasMedia: false },
  ].map((profile) => ({
    ...profile,
    memoryGib: 5.7 * profile.memorySlices,
    multiprocessors: 14 * profile.computeSlices,
  })),
};

/** The cards that are known, as of August 2026. */
export const migModels: readonly MigModel[] = [
  a30,
  sevenSlices({
    name: "A100-40GB",
    deviceIds: ["0x20B010DE", "0x20B110DE", "0x20F110DE", "0x20F610DE"],
    isVerified: true,
    gb: [5, 10, 20, 40],
    gib: [4.75, 9.62, 19.5, 39.25],
    multiprocessors: [14, 14, 28, 42, 56, 98],
  }),
  sevenSlices({
    name: "A100-80GB",
    deviceIds: ["0x20B210DE", "0x20B510DE", "0x20F310DE", "0x20F510DE"],
    isVerified: true,
    gb: [10, 20, 40, 80],
    gib: [9.62, 19.5, 39.25, 78.5],
    multiprocessors: [14, 14, 28, 42, 56, 98],
  }),
  sevenSlices({
    name: "H100-80GB",
    deviceIds: ["0x233010DE", "0x233110DE", "0x232210DE", "0x232410DE"],
    isVerified: true,
    gb: [10, 20, 40, 80],
    gib: [9.75, 19.62, 39.5, 79.25],
    multiprocessors: [16, 26, 32, 60, 64, 132],
  }),
  sevenSlices({
    name: "H200-141GB",
    deviceIds: ["0x233510DE", "0x233B10DE"],
    isVerified: false,
    gb: [18, 35, 71, 141],
    gib: [16, 32.25, 69.5, 139.75],
    multiprocessors: [16, 26, 32, 60, 64, 132],
  }),
  sevenSlices({
    name: "B200-180GB",
    deviceIds: ["0x290110DE"],
    isVerified: false,
    gb: [23, 45, 90, 180],
    gib: [20.5, 44.25],
    multiprocessors: [18, 30, 36, undefined, undefined, undefined],
  }),
];
