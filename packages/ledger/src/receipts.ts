import { asEpochMicros, type EpochMicros, keyCounts, type SigningKey } from "@portolan/kernel";
import { parseNote, verifyNote } from "@portolan/merkle";
import { ledgerVerifier, originOf } from "./checkpoints.ts";

/**
 * A receipt promises a place in the log for a committed row that has none yet. Its first line cannot be a
 * checkpoint's origin, and the note name differs, so neither passes for the other.
 */
const firstLine = "portolan ledger receipt v1";

export function receiptName(organisationId: string): string {
  return `${originOf(organisationId)}/receipts`;
}

/** The text that is signed. Spec L7. */
export function receiptText(
  organisationId: string,
  rowId: string,
  leafHashHex: string,
  at: EpochMicros,
): string {
  return `${firstLine}\n${organisationId}\n${rowId}\n${leafHashHex}\nat ${at}\n`;
}

export type ReceiptVerdict =
  | {
      readonly kind: "good";
      readonly organisation: string;
      readonly rowId: string;
      readonly leafHash: string;
      readonly at: EpochMicros;
    }
  | { readonly kind: "bad"; readonly reason: string };

/** Pure: is this a receipt that a ledger key signed while it counted? */
export function judgeReceipt(note: string, keys: readonly SigningKey[]): ReceiptVerdict {
  const parsed = parseNote(note);
  const lines = parsed?.text.split("\n") ?? [];
  const [first, organisation = "", rowId = "", leafHash = "", time = ""] = lines;
  const micros = Number(/^at (\d+)$/.exec(time)?.[1]);
  if (parsed === undefined || first !== firstLine || lines.length !== 6 || !Number.isSafeInteger(micros)) {
    return { kind: "bad", reason: "this is not a ledger receipt" };
  }
  const at = asEpochMicros(micros);
  for (const key of keys) {
    const verifier = ledgerVerifier(receiptName(organisation), key);
    if (verifier === undefined || verifyNote(parsed, [verifier]).length === 0) continue;
    if (keyCounts(key, at)) return { kind: "good", organisation, rowId, leafHash, at };
    return { kind: "bad", reason: `key ${key.id} was not valid when the receipt says it was signed` };
  }
  return { kind: "bad", reason: "no known ledger key signed the receipt" };
}
