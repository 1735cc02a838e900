import type { EpochMicros } from "@portolan/kernel";

export type ValueStatus = "present" | "null" | "not_found" | "outside_max_age";

/** The values of one view for one entity. */
export interface OnlineVector {
  readonly status: "found" | "not_found" | "outside_max_age";
  /** When the values were computed, epoch microseconds; absent when there are none. */
  readonly asOf?: EpochMicros;
  /** By feature name; a value that is not present is null and says why. */
  readonly values: Readonly<Record<string, { readonly value: number | null; readonly status: ValueStatus }>>;
}

export interface OnlineRow {
  readonly key: readonly (string | number)[];
  /** In the order of the view's features. */
  readonly values: readonly (number | null)[];
}

/** A view's values in one environment of one organisation: the same name elsewhere is another view. */
export interface OnlineViewKey {
  readonly organisationId: string;
  readonly environment: string;
  /** `name@version`. */
  readonly view: string;
  /** Of the view's definition: values that another definition left behind are not found. */
  readonly digest: string;
}

export interface OnlineViewHeader extends OnlineViewKey {
  readonly ttlMicros: number;
  readonly featureNames: readonly string[];
}

/** The newest values per entity, read inside the gateway. One process writes, any number read. */
export interface OnlineStore {
  /**
   * Synchronous, microseconds. `at` is the moment of the request: values older than the view's ttl, or computed after `at`
   * (a look ahead), are outside their age.
   */
  get(view: OnlineViewKey, key: readonly (string | number)[], at: EpochMicros): OnlineVector;
  /**
   * Replaces the whole view in one transaction: a reader sees the old values or the new ones. Older values never
   * replace newer: then nothing is written, and it resolves to the moment of those that stay.
   */
  replace(
    header: OnlineViewHeader,
    asOf: EpochMicros,
    rows: readonly OnlineRow[],
  ): Promise<{ readonly supersededBy?: EpochMicros }>;
  /** Writes some entities of a view that is there already. */
  update(header: OnlineViewHeader, asOf: EpochMicros, rows: readonly OnlineRow[]): Promise<void>;
  close(): Promise<void>;
}
