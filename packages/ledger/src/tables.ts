import type { RowClass } from "./row-format.ts";

/** Kysely's view of schema `ledger` (type aliases, because its constraint wants index signatures). Times are epoch microseconds. */
export type LedgerTables = {
  readonly "ledger.rows": RowTable;
  readonly "ledger.streams": StreamTable;
  readonly "ledger.sequencer": SequencerTable;
  readonly "ledger.checkpoints": CheckpointTable;
  readonly "ledger.denial_tallies": DenialTallyTable;
};

export type RowTable = {
  id: string;
  organisation_id: string;
  class: RowClass;
  at: number;
  entry: Uint8Array;
  leaf_hash: Uint8Array;
  salt: Uint8Array | null;
  payload: Uint8Array | null;
  event: string | null;
  subject: string | null;
  actor_id: string | null;
  request_id: string | null;
  batch_key: string | null;
  position: number | null;
};

export type StreamTable = {
  organisation_id: string;
  size: number;
  root: Uint8Array;
  epoch: number;
};

export type SequencerTable = {
  only_row: boolean;
  epoch: number;
};

export type CheckpointTable = {
  organisation_id: string;
  size: number;
  root: Uint8Array;
  signed_at: number;
  key_id: string;
  note: string;
};

export type DenialTallyTable = {
  organisation_id: string;
  source: string;
  reason: string;
  minute: number;
  denials: number;
  first_at: number;
  last_at: number;
};
