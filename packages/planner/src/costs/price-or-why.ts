import { isPortolanError } from "@portolan/kernel";

/** A price that is missing is said; every other fault is one. */
export function priceOrWhy<T extends object>(work: () => T): T | { readonly why: string } {
  try {
    return work();
  } catch (error) {
    if (isPortolanError(error) && error.code === "planner.price_missing")
      return { why: `price missing: ${error.detail ?? "a record"}; add one with its source (--prices)` };
    throw error;
  }
}
