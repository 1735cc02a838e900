import { asEpochMicros } from "@portolan/kernel";
import type { OnlineReader, OnlineStore } from "../../src/contract.ts";
import type { OnlineVector, OnlineViewHeader, OnlineViewKey } from "../../src/ports.ts";

/** An online store of its own for one test, empty at first. */
export interface StoreWorld extends AsyncDisposable {
  /** Where it is, as `openAt` of store-child.ts is told: `lmdb:<folder>` or `redis://…`. */
  readonly address: string;
  openWriter(): OnlineStore;
  openReader(): OnlineReader;
  /** Everything that is stored of what readers see, as text in a fixed order. */
  dump(): Promise<readonly string[]>;
}

export type OpenWorld = () => Promise<StoreWorld>;

export const place = { organisationId: "org_a", environment: "production" };

export const header: OnlineViewHeader = {
  ...place,
  view: "v@1",
  digest: "sha256:00",
  ttlMicros: 100,
  featureNames: ["a", "b"],
};

/** One answer. @param at epoch microseconds */
export async function readOne(
  store: OnlineReader,
  view: OnlineViewKey,
  key: readonly (string | number)[],
  at: number,
): Promise<OnlineVector> {
  const [found] = await store.read([{ view, key }], asEpochMicros(at));
  if (!found) throw new Error("the store gave no answer");
  return found;
}

/** @returns fifty entities k0 to k49 whose first value is `turn` */
export function rowsOf(turn: number) {
  return Array.from({ length: 50 }, (_, index) => ({ key: [`k${index}`], values: [turn, index] }));
}

export async function* once<T>(...pages: T[]): AsyncGenerator<T> {
  for (const page of pages) yield await Promise.resolve(page);
}
