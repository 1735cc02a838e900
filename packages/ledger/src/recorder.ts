import { randomBytes } from "node:crypto";
import {
  type CallContext,
  type EpochMicros,
  type JsonObject,
  type LedgerEvent,
  newId,
  PortolanError,
  type Sql,
} from "@portolan/kernel";
import { type RowClass, type RowPayload, saltBytes, sealRow } from "./row-format.ts";
import { insertRow, rowIdByBatchKey } from "./store.ts";

/** What of a transaction a row needs. */
export interface RecordingTransaction {
  readonly sql: Sql;
  readonly call: CallContext;
  readonly now: EpochMicros;
}

/** Inserts one governed row in the caller's transaction; resolves to its id. */
export type Recorder = (tx: RecordingTransaction, event: LedgerEvent) => Promise<string>;

/**
 * The recorder that `database` builds its unit of work with. One INSERT, no index: order and hashing of the
 * tree are the sequencer's, after commit.
 */
export function createRecorder(): Recorder {
  return (tx, event) => writeRow(tx, "governed", event);
}

/** A refused call of an authenticated caller. */
export interface Denial {
  /** The action that was refused, e.g. `registry:promote`. */
  readonly action: string;
  /** The resource, as the caller named it. */
  readonly subject: string;
  /** Error code or policy that refused it; low-cardinality. */
  readonly reason: string;
}

/** Writes the own row that an authenticated caller's refusal gets. */
export function recordDenial(tx: RecordingTransaction, denial: Denial): Promise<string> {
  return writeRow(tx, "denied", {
    event: "ledger.call.denied",
    subject: denial.subject,
    detail: { action: denial.action, reason: denial.reason },
  });
}

/** The digest of many small facts that get no row of their own: metrics, traces, outcomes, predictions. */
export interface BatchDigest {
  /** e.g. `predictions.block.accepted`. */
  readonly event: string;
  /** What the batch is about: an endpoint, a writer, a second. */
  readonly subject: string;
  /** Digest or Merkle root over the batch, as text. */
  readonly digest: string;
  readonly count: number;
  /** Same key, same row: a batch delivered twice is recorded once. Unique per organisation. */
  readonly key: string;
  readonly detail?: JsonObject;
}

/** Writes the one leaf of a batch (class `recorded`); idempotent by `key`, resolves to the row's id. */
export async function recordBatchDigest(tx: RecordingTransaction, batch: BatchDigest): Promise<string> {
  const event: LedgerEvent = {
    event: batch.event,
    subject: batch.subject,
    detail: { ...batch.detail, digest: batch.digest, count: batch.count },
  };
  const row = buildRow(tx, "recorded", event);
  if (await insertRow(tx.sql, row, batch.key)) return row.header.id;
  const earlier = await rowIdByBatchKey(tx.sql, row.header.organisation, batch.key);
  // Only a snapshot older than the row it collided with finds none: the whole transaction must run again.
  if (earlier === undefined) throw new PortolanError("kernel.conflict", { detail: `batch ${batch.key}` });
  return earlier;
}

/** Writes a row of any class. For this package: others use the named calls above. */
export async function writeRow(
  tx: RecordingTransaction,
  rowClass: RowClass,
  event: LedgerEvent,
): Promise<string> {
  const row = buildRow(tx, rowClass, event);
  await insertRow(tx.sql, row, undefined);
  return row.header.id;
}

function buildRow(tx: RecordingTransaction, rowClass: RowClass, event: LedgerEvent) {
  const { actor, onBehalfOf, purpose, requestId } = tx.call;
  const content: RowPayload = {
    event: event.event,
    subject: event.subject,
    actor: { kind: actor.kind, id: actor.id },
    requestId,
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(event.before === undefined ? {} : { before: event.before }),
    ...(event.after === undefined ? {} : { after: event.after }),
    ...(event.detail === undefined ? {} : { detail: event.detail }),
  };
  const id = newId("ledgerRow", tx.now);
  const header = { id, organisation: actor.organisationId, class: rowClass, at: tx.now };
  return { ...sealRow(header, content, randomBytes(saltBytes)), content };
}
