import type { JsonObject, SigningKey } from "@portolan/kernel";
import { hashFromHex, leafHash, toHex, verifyInclusion } from "@portolan/merkle";
import { judgeCheckpoint, type TimedCheckpoint } from "./checkpoints.ts";
import { keyJson, parseKey, parseRowJson, type RowBytes, rowJson, rowLeaf } from "./export-format.ts";
import { parseEntry, parsePayload, type RowHeader, type RowPayload } from "./row-format.ts";

/** All that an outsider needs to check one row: no server, no other file. Spec L11. */
export interface ProofParts {
  readonly organisation: string;
  readonly row: RowBytes;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly key: SigningKey;
}

export function proofBundle(parts: ProofParts): JsonObject {
  return {
    v: 1,
    organisation: parts.organisation,
    row: rowJson(parts.row),
    proof: parts.proof.map(toHex),
    checkpoint: parts.checkpoint,
    key: keyJson(parts.key),
  };
}

export type ProofVerdict =
  | {
      readonly kind: "proved";
      readonly header: RowHeader;
      /** Absent when the payload was erased: the row existed, and its content is gone. */
      readonly payload: RowPayload | undefined;
      readonly index: number;
      readonly checkpoint: TimedCheckpoint;
      readonly keyId: string;
    }
  | { readonly kind: "refuted"; readonly reason: string };

/**
 * Judges a proof bundle. Pure, never throws. `knownKeys` are ledger keys known from elsewhere; without them the
 * bundle's own key is believed, which proves consistency but not who signed.
 */
export function judgeProof(bundle: JsonObject, knownKeys?: readonly SigningKey[]): ProofVerdict {
  const { organisation, row: rowValue, proof, checkpoint: note } = bundle;
  if (bundle.v !== 1 || typeof organisation !== "string" || typeof note !== "string") {
    return refuted("this is not a proof bundle");
  }
  const row =
    typeof rowValue === "object" && rowValue !== null ? parseRowJson(rowValue as JsonObject) : undefined;
  const hashes = Array.isArray(proof)
    ? proof.map((hash) => (typeof hash === "string" ? hashFromHex(hash) : undefined))
    : [undefined];
  if (row === undefined || !hashes.every((hash) => hash !== undefined)) {
    return refuted("row or proof cannot be read");
  }
  const ownKey = parseKey(bundle.key);
  const keys = knownKeys ?? (ownKey === undefined ? [] : [ownKey]);
  const verdict = judgeCheckpoint(note, organisation, keys);
  if (verdict.kind !== "good") return refuted(verdict.reason);
  const { fault } = rowLeaf(row);
  const header = parseEntry(row.entry);
  if (fault !== undefined || header === undefined) return refuted(fault ?? "the entry cannot be read");
  if (header.organisation !== organisation) return refuted(`the row is of ${header.organisation}`);
  const { checkpoint, keyId } = verdict;
  const claim = { leaf: leafHash(row.entry), index: row.index, size: checkpoint.size, proof: hashes };
  if (!verifyInclusion({ ...claim, root: checkpoint.root })) {
    return refuted("the row is not at that index of the signed tree");
  }
  const payload = row.payload === undefined ? undefined : parsePayload(row.payload);
  return { kind: "proved", header, payload, index: row.index, checkpoint, keyId };
}

function refuted(reason: string): ProofVerdict {
  return { kind: "refuted", reason };
}
