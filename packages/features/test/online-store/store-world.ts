import { asEpochMicros } from "@portolan/kernel";
import { expect } from "vitest";
import type { OnlineColumns, OnlineReader, OnlineStore } from "../../src/contract.ts";
import { cellStatuses } from "../../src/policy.ts";
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

/** One answer, which the columns say, too. @param at epoch microseconds */
export async function readOne(
  store: OnlineReader,
  view: OnlineViewKey,
  key: readonly (string | number)[],
  at: number,
): Promise<OnlineVector> {
  const moment = asEpochMicros(at);
  for (;;) {
    const [found] = await store.read([{ view, key }], moment);
    if (!found) throw new Error("the store gave no answer");
    const features = Object.keys(found.values);
    const [columns] = await store.readColumns([{ view, keys: [key], features }], moment);
    const [again] = await store.read([{ view, key }], moment);
    // A store that somebody writes to meanwhile may say something else in between.
    if (JSON.stringify(found) !== JSON.stringify(again)) continue;
    expect(columns && rowOf(columns, 0, features)).toEqual(rowOfVector(found));
    return found;
  }
}

interface ColumnsRow {
  readonly asOf: number | undefined;
  /** By feature: its JSON where there is a value, else its status. */
  readonly cells: readonly (readonly [feature: string, cell: string])[];
}

/** What columns say of one entity. */
export function rowOf(columns: OnlineColumns, entity: number, features: readonly string[]): ColumnsRow {
  const { asOf, statuses, starts, ends, text } = columns;
  const time = asOf[entity] ?? Number.NaN;
  const cells = features.map((feature, index) => {
    const cell = index * asOf.length + entity;
    const status = cellStatuses[statuses[cell] ?? -1] ?? "none";
    const value = Buffer.from(text.subarray(starts[cell], ends[cell])).toString("utf8");
    return [feature, status === "present" ? value : status] as const;
  });
  return { asOf: Number.isNaN(time) ? undefined : time, cells };
}

function rowOfVector({ status, asOf, values }: OnlineVector): ColumnsRow {
  const cells = Object.entries(values).map(([feature, one]) => {
    const own = status === "found" ? one.status : status;
    return [feature, own === "present" ? JSON.stringify(one.value) : own] as const;
  });
  return { asOf, cells };
}

/** @returns fifty entities k0 to k49 whose first value is `turn` */
export function rowsOf(turn: number) {
  return Array.from({ length: 50 }, (_, index) => ({ key: [`k${index}`], values: [turn, index] }));
}

export async function* once<T>(...pages: T[]): AsyncGenerator<T> {
  for (const page of pages) yield await Promise.resolve(page);
}
