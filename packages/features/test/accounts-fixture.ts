import { publishContract, receiveEvents } from "@portolan/data";
import { asEpochMicros } from "@portolan/kernel";
import { waitFor } from "../../data/test/data-fixture.ts";
import { publishView } from "../src/index.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import type { MaterializationView } from "../src/resources.ts";
import { type FeaturesFixture, featuresFixture } from "./features-fixture.ts";

/** Accounts whose balance and rating change, are corrected and withdrawn; and payments that ask what was known. */

const contractText = (name: string, columns: string): string => `apiVersion: v3.1.0
kind: DataContract
id: ${name}
name: ${name}
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: ${name}
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.5 }]
    properties:
      - { name: account, logicalType: string }
      - { name: at, logicalType: timestamp }
${columns}`;

export const changesContract = contractText(
  "changes",
  `      - { name: known, logicalType: timestamp }
      - { name: op, logicalType: string }
      - { name: cents, logicalType: integer }
      - { name: rating, logicalType: number }
`,
);
const paymentsContract = contractText("payments", "      - { name: amount, logicalType: integer }\n");

export const accountsView = `apiVersion: portolan/v1
kind: FeatureView
name: accounts
source: changes
entity: [account]
eventTime: at
available: known
tombstone: op = 'D'
ttl: 1h
features:
  - { name: balance, value: cents }
  - { name: rating, value: rating }
  - { name: is_overdrawn, value: cents < 0 }
`;

/** 2026-01-01T00:00:00Z plus minutes, in epoch microseconds. */
export const minute = (minutes: number) => asEpochMicros(1_767_225_600_000_000 + minutes * 60_000_000);

export interface Change {
  readonly account: string | null;
  /** Minutes after the first of January. */
  readonly at: number;
  /** Default: at once. */
  readonly known?: number;
  readonly op?: string;
  readonly cents?: number;
  readonly rating?: number;
}

const instant = (minutes: number) => new Date(minute(minutes) / 1000).toISOString();
const line = ({ at, known = at, op = "U", ...values }: Change): string =>
  `${JSON.stringify({ ...values, at: instant(at), known: instant(known), op })}\n`;

export interface AccountsFixture extends FeaturesFixture {
  /** Ingests changes as one file and resolves to the id of its dataset. */
  changes(name: string, ...changes: readonly Change[]): Promise<string>;
  /** Posts changes as events. */
  post(...changes: readonly Change[]): Promise<void>;
  /** Payments of an account at these minutes, in this order. */
  payments(
    name: string,
    ...payments: readonly { readonly account: string | null; readonly at: number }[]
  ): Promise<void>;
  materialized(asOf: number, datasetId?: string): Promise<MaterializationView>;
}

/** @param edit what a test wants otherwise in the two contracts */
export async function accountsFixture(
  more?: Parameters<typeof featuresFixture>[1],
  edit: (document: string) => string = (document) => document,
): Promise<AccountsFixture> {
  const f = await featuresFixture([], more);
  for (const [name, document] of [
    ["changes", changesContract],
    ["payments", paymentsContract],
  ] as const)
    await publishContract(f.deps, f.call, name, { document: edit(document), references: {} });
  await publishView(f.deps, f.call, "accounts", { document: accountsView });
  const ingest = async (of: string, name: string, text: string) => {
    const done = await f.ingest(name, text, { contract: of });
    if (done.state !== "published") throw new Error(JSON.stringify(done));
    return done.datasetId ?? "";
  };
  return {
    ...f,
    changes: (name, ...changes) => ingest("changes", name, changes.map(line).join("")),
    post: async (...changes) => {
      await receiveEvents(f.deps, f.call, "changes", {
        environment: "dev",
        body: changes.map(line).join(""),
      });
    },
    payments: async (name, ...payments) => {
      const lines = payments.map(
        ({ account, at }) => `${JSON.stringify({ account, at: instant(at), amount: 1 })}\n`,
      );
      await ingest("payments", name, lines.join(""));
    },
    materialized: async (asOf, datasetId) => {
      const started = await startMaterialization(f.deps, f.call, "accounts", {
        environment: "dev",
        asOf: minute(asOf),
        ...(datasetId === undefined ? {} : { datasetId }),
      });
      return waitFor(
        () => readMaterialization(f.deps, f.call, started.id),
        ({ state }) => state === "done" || state === "failed",
      );
    },
  };
}
