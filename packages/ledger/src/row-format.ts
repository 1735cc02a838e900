import { createHash } from "node:crypto";
import { canonicalBytes, type JsonObject, type JsonValue, PortolanError } from "@portolan/kernel";
import { hashFromHex, leafHash, sameHash } from "@portolan/merkle";

/** The three classes of DESIGN §3. */
export const rowClasses = ["governed", "denied", "recorded"] as const;
export type RowClass = (typeof rowClasses)[number];

/** Bytes of the random salt; fixed, so that salt ‖ payload can be split in one way only. */
export const saltBytes = 32;
/** A row says what happened; it is no place for the thing itself. */
export const maxPayloadBytes = 32 * 1024;

/** The part of a row that may be erased. Spec L3. */
export interface RowPayload {
  readonly event: string;
  readonly subject: string;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly onBehalfOf?: string;
  readonly purpose?: string;
  readonly requestId: string;
  readonly before?: string;
  readonly after?: string;
  readonly detail?: JsonObject;
}

/** The part of a row that stays for ever, and is what the leaf hashes. Spec L2. */
export interface RowHeader {
  readonly id: string;
  readonly organisation: string;
  readonly class: RowClass;
  /** Epoch microseconds. */
  readonly at: number;
  /** SHA-256(salt ‖ payload), hex. */
  readonly commitment: string;
}

export interface SealedRow {
  readonly header: RowHeader;
  readonly entry: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly salt: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * Makes the bytes of a row. Pure: the caller brings the salt.
 * @throws PortolanError `ledger.row_too_large`.
 */
export function sealRow(
  header: Omit<RowHeader, "commitment">,
  content: RowPayload,
  salt: Uint8Array,
): SealedRow {
  if (salt.length !== saltBytes) throw new RangeError(`a salt has ${saltBytes} bytes`);
  const payload = canonicalBytes(payloadJson(content));
  if (payload.length > maxPayloadBytes) {
    throw new PortolanError("ledger.row_too_large", {
      detail: `the row of ${content.event} has ${payload.length} bytes, ${maxPayloadBytes} are allowed`,
      mend: "Store the thing as an artifact and record its digest.",
    });
  }
  const sealed: RowHeader = { ...header, commitment: commitTo(salt, payload) };
  const entry = canonicalBytes({ ...sealed, v: 1 });
  return { header: sealed, entry, leafHash: leafHash(entry), salt, payload };
}

/** Hex of SHA-256(salt ‖ payload). */
export function commitTo(salt: Uint8Array, payload: Uint8Array): string {
  return createHash("sha256").update(salt).update(payload).digest("hex");
}

/** Reads an entry; `undefined` for anything that `sealRow` would not have written byte for byte. */
export function parseEntry(entry: Uint8Array): RowHeader | undefined {
  const value = parseJson(entry);
  if (!isObject(value) || value.v !== 1 || Object.keys(value).length !== 6) return undefined;
  const { id, organisation, at, commitment } = value;
  const rowClass = rowClasses.find((name) => name === value.class);
  if (typeof id !== "string" || typeof organisation !== "string" || rowClass === undefined) return undefined;
  if (typeof at !== "number" || !Number.isSafeInteger(at)) return undefined;
  if (typeof commitment !== "string" || hashFromHex(commitment) === undefined) return undefined;
  const header: RowHeader = { id, organisation, class: rowClass, at, commitment };
  return sameBytes(canonicalBytes({ ...header, v: 1 }), entry) ? header : undefined;
}

/** Reads a payload; `undefined` when it lacks what every row says. */
export function parsePayload(payload: Uint8Array): RowPayload | undefined {
  const value = parseJson(payload);
  if (!isObject(value)) return undefined;
  const { event, subject, actor, requestId } = value;
  if (typeof event !== "string" || typeof subject !== "string" || typeof requestId !== "string") {
    return undefined;
  }
  if (!isObject(actor) || typeof actor.kind !== "string" || typeof actor.id !== "string") return undefined;
  return {
    event,
    subject,
    requestId,
    actor: { kind: actor.kind, id: actor.id },
    ...optionalText(value, "onBehalfOf"),
    ...optionalText(value, "purpose"),
    ...optionalText(value, "before"),
    ...optionalText(value, "after"),
    ...(isObject(value.detail) ? { detail: value.detail } : {}),
  };
}

/** What is wrong between a row's parts, or `undefined` when header, salt and payload belong together. */
export function rowFault(row: {
  readonly entry: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly salt: Uint8Array | undefined;
  readonly payload: Uint8Array | undefined;
}): string | undefined {
  const header = parseEntry(row.entry);
  if (header === undefined) return "the entry is not in canonical form";
  if (!sameHash(leafHash(row.entry), row.leafHash)) return "the leaf hash is not that of the entry";
  if (row.salt === undefined || row.payload === undefined) return undefined; // erased: only the header speaks
  if (commitTo(row.salt, row.payload) !== header.commitment) return "the payload is not the committed one";
  return undefined;
}

function payloadJson(content: RowPayload): JsonObject {
  const { actor, ...rest } = content;
  return { ...rest, actor: { kind: actor.kind, id: actor.id } };
}

function optionalText<K extends string>(value: JsonObject, key: K): { readonly [P in K]?: string } {
  const text = value[key];
  return (typeof text === "string" ? { [key]: text } : {}) as { readonly [P in K]?: string };
}

function parseJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as JsonValue;
  } catch {
    return undefined; // Not JSON is an answer here, and the callers name it.
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
