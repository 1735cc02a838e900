import { type Static, Type } from "@portolan/typebox";
import { rowClasses } from "./row-format.ts";

/** A ledger row as readers see it. */
export const LedgerEntry = Type.Object({
  id: Type.String(),
  index: Type.Union([Type.Integer(), Type.Null()], { description: "Place in the log; null until sequenced" }),
  class: Type.Enum([...rowClasses]),
  at: Type.String({ description: "RFC 3339, UTC" }),
  leafHash: Type.String({ description: "RFC 6962 leaf hash, hex" }),
  erased: Type.Boolean({ description: "True when the content was erased; the leaf stays provable" }),
  event: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
  actor: Type.Optional(Type.Object({ kind: Type.String(), id: Type.String() })),
  onBehalfOf: Type.Optional(Type.String()),
  purpose: Type.Optional(Type.String()),
  requestId: Type.Optional(Type.String()),
  before: Type.Optional(Type.String()),
  after: Type.Optional(Type.String()),
  detail: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type LedgerEntry = Static<typeof LedgerEntry>;

export const LedgerQuery = Type.Object({
  event: Type.Optional(Type.String({ maxLength: 200, description: "e.g. registry.model.promoted" })),
  actor: Type.Optional(Type.String({ maxLength: 200 })),
  subject: Type.Optional(Type.String({ maxLength: 500 })),
  requestId: Type.Optional(Type.String({ maxLength: 64 })),
  class: Type.Optional(Type.Enum([...rowClasses])),
  from: Type.Optional(Type.String({ description: "RFC 3339; included" })),
  to: Type.Optional(Type.String({ description: "RFC 3339; excluded" })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
  page: Type.Optional(Type.String({ maxLength: 200, description: "`nextPage` of the previous answer" })),
});
export type LedgerQuery = Static<typeof LedgerQuery>;

export const LedgerPage = Type.Object({
  entries: Type.Array(LedgerEntry),
  nextPage: Type.Optional(Type.String()),
});
export type LedgerPage = Static<typeof LedgerPage>;

export const LedgerFinding = Type.Object({
  kind: Type.String(),
  copy: Type.String(),
  index: Type.Optional(Type.Integer()),
  id: Type.Optional(Type.String()),
  detail: Type.String(),
});

export const LedgerVerification = Type.Object({
  verified: Type.Boolean(),
  organisation: Type.String(),
  provedRows: Type.Integer(),
  unsignedRows: Type.Integer(),
  checkpoints: Type.Integer(),
  keys: Type.Array(Type.String()),
  keysFrom: Type.String(),
  findings: Type.Array(LedgerFinding),
});

const noteText = (maxLength: number, description: string) => Type.String({ maxLength, description });

export const VerifyRequest = Type.Object({
  trust: Type.Optional(
    Type.Array(noteText(500, "Verifier key"), {
      maxItems: 100,
      description: "Note verifier keys that you know",
    }),
  ),
  known: Type.Optional(
    Type.Array(noteText(4000, "Checkpoint"), {
      maxItems: 200,
      description: "Checkpoint notes that you kept",
    }),
  ),
});
export type VerifyRequest = Static<typeof VerifyRequest>;

export const ConsistencyProof = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  proof: Type.Array(Type.String({ description: "SHA-256, hex; RFC 9162 §2.1.4" })),
});
export type ConsistencyProof = Static<typeof ConsistencyProof>;

export const LedgerReceipt = Type.Object({ receipt: Type.String({ description: "C2SP signed note" }) });

/** Queue of verifications that are too long for a request; its payload is a `VerifyRequest`. */
export const ledgerVerifyQueue = "ledger-verify";
