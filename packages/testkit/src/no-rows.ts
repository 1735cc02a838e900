import type { RowBytes } from "@portolan/kernel";

/** An installation without data: no bytes are rows. */
export const noRows: RowBytes = {
  release: () => Promise.resolve(),
  areRows: () => Promise.resolve(false),
};
