import { canonicalJson, type JsonObject, type JsonValue, type SigningKey } from "@portolan/kernel";
import { hashFromHex, leafHash, toHex } from "@portolan/merkle";
import type { CopyLeaf, Finding } from "./findings.ts";
import { copyInMemory } from "./leaf-reader.ts";
import { parseEntry, rowFault } from "./row-format.ts";
import { judgeLog, type VerificationReport } from "./verification.ts";

/** Bytes of a row as exports and proofs carry them. */
export interface RowBytes {
  readonly index: number;
  readonly id: string;
  readonly entry: Uint8Array;
  /** Absent once erased, together with the payload. */
  readonly salt: Uint8Array | undefined;
  readonly payload: Uint8Array | undefined;
}

/** The lines of an export. Spec L12. */
export const exportLines = {
  header: (organisation: string, exportedAt: number): string =>
    canonicalJson({ type: "header", v: 1, organisation, exportedAt }),
  /** Signed leaf hashes, as the tile files have them, with the ids that name them. */
  tile: (from: number, hashes: readonly Uint8Array[], ids: readonly string[]): string =>
    canonicalJson({ type: "tile", from, hashes: hashes.map(toHex), ids: [...ids] }),
  row: (row: RowBytes): string => canonicalJson({ type: "row", ...rowJson(row) }),
  checkpoint: (note: string): string => canonicalJson({ type: "checkpoint", note }),
  key: (key: SigningKey): string => canonicalJson({ type: "key", key: keyJson(key) }),
  /** Last line: without it the file was cut off. */
  end: (rows: number): string => canonicalJson({ type: "end", rows }),
};

/** A row in JSON. Entry and payload are canonical JSON themselves, kept as text: their bytes are what counts. */
export function rowJson(row: RowBytes): JsonObject {
  return {
    index: row.index,
    id: row.id,
    entry: Buffer.from(row.entry).toString("utf8"),
    salt: row.salt === undefined ? null : toHex(row.salt),
    payload: row.payload === undefined ? null : Buffer.from(row.payload).toString("utf8"),
  };
}

export function parseRowJson(value: JsonObject): RowBytes | undefined {
  const { index, id, entry, salt, payload } = value;
  if (typeof index !== "number" || typeof id !== "string" || typeof entry !== "string") return undefined;
  const saltBytes = typeof salt === "string" ? hashFromHex(salt) : undefined;
  if (salt !== null && saltBytes === undefined) return undefined;
  if (payload !== null && typeof payload !== "string") return undefined;
  return {
    index,
    id,
    entry: Buffer.from(entry, "utf8"),
    salt: saltBytes,
    payload: payload === null ? undefined : Buffer.from(payload, "utf8"),
  };
}

/** A row as a leaf of the copy `rows`, with what is wrong inside it. */
export function rowLeaf(row: RowBytes): CopyLeaf {
  const hash = leafHash(row.entry);
  const header = parseEntry(row.entry);
  const broken =
    (row.salt === undefined) !== (row.payload === undefined)
      ? "salt and payload were not erased together"
      : rowFault({ entry: row.entry, leafHash: hash, salt: row.salt, payload: row.payload });
  const fault = broken ?? (header?.id === row.id ? undefined : `its entry is of row ${header?.id ?? "?"}`);
  return { hash: toHex(hash), id: row.id, index: row.index, ...(fault === undefined ? {} : { fault }) };
}

export interface ExportVerificationOptions {
  /** Verifier keys known from elsewhere; without them the export's own keys are believed, and the report says so. */
  readonly trust?: readonly string[];
  /** Checkpoint notes that the caller kept from earlier; the export must extend them. */
  readonly known?: readonly string[];
}

/** Verifies an export line by line with nothing else at hand. Never throws for what the file says. */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  options: ExportVerificationOptions = {},
): Promise<VerificationReport> {
  const reading = new ExportReading();
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() !== "") reading.take(line, number);
  }
  return reading.judge(options);
}

class ExportReading {
  #organisation = "";
  readonly #tiles: CopyLeaf[] = [];
  readonly #rows: CopyLeaf[] = [];
  readonly #checkpoints: string[] = [];
  readonly #keys: SigningKey[] = [];
  readonly #findings: Finding[] = [];
  #ended = false;

  take(line: string, number: number): void {
    const value = parseLine(line);
    if (value === undefined || !this.#takeValue(value)) {
      this.#malformed(`line ${number} is not a line of an export`);
    }
  }

  judge(options: ExportVerificationOptions): Promise<VerificationReport> {
    if (this.#organisation === "") this.#malformed("the export has no header");
    if (!this.#ended) this.#malformed("the export was cut off: its last line is missing");
    return judgeLog({
      organisation: this.#organisation,
      copies: [copyInMemory("tiles", this.#tiles), copyInMemory("rows", this.#rows)],
      checkpoints: this.#checkpoints,
      keys: this.#keys,
      findings: this.#findings,
      ...(options.trust === undefined ? {} : { trust: options.trust }),
      ...(options.known === undefined ? {} : { known: options.known }),
    });
  }

  #takeValue(value: JsonObject): boolean {
    switch (value.type) {
      case "header":
        this.#organisation = typeof value.organisation === "string" ? value.organisation : "";
        return value.v === 1;
      case "tile":
        return this.#takeTile(value);
      case "row": {
        const row = parseRowJson(value);
        if (row !== undefined) this.#rows.push(rowLeaf(row));
        return row !== undefined;
      }
      case "checkpoint":
        if (typeof value.note === "string") this.#checkpoints.push(value.note);
        return typeof value.note === "string";
      case "key": {
        const key = parseKey(value.key);
        if (key !== undefined) this.#keys.push(key);
        return key !== undefined;
      }
      case "end":
        this.#ended = true;
        return typeof value.rows === "number";
      default:
        return false;
    }
  }

  #takeTile(value: JsonObject): boolean {
    const { from, hashes, ids } = value;
    if (typeof from !== "number" || !isArray(hashes) || !isArray(ids)) return false;
    hashes.forEach((hash, i) => {
      const id = ids[i];
      this.#tiles.push({
        hash: typeof hash === "string" ? hash : "",
        id: typeof id === "string" ? id : undefined,
        index: from + i,
      });
    });
    return true;
  }

  #malformed(detail: string): void {
    this.#findings.push({ kind: "malformed", copy: "export", detail });
  }
}

export function keyJson(key: SigningKey): JsonObject {
  return {
    id: key.id,
    purpose: key.purpose,
    algorithm: key.algorithm,
    publicKeyPem: key.publicKeyPem,
    validFrom: key.validFrom,
    ...(key.retiredAt === undefined ? {} : { retiredAt: key.retiredAt }),
    ...(key.revokedAt === undefined ? {} : { revokedAt: key.revokedAt }),
  };
}

export function parseKey(value: JsonValue | undefined): SigningKey | undefined {
  if (!isObject(value)) return undefined;
  const { id, publicKeyPem, validFrom, retiredAt, revokedAt } = value;
  if (value.purpose !== "ledger" || value.algorithm !== "ed25519") return undefined;
  if (typeof id !== "string" || typeof publicKeyPem !== "string") return undefined;
  const times = [validFrom, retiredAt ?? 0, revokedAt ?? 0];
  if (!times.every((time) => typeof time === "number" && Number.isSafeInteger(time))) return undefined;
  return {
    id,
    publicKeyPem,
    purpose: "ledger",
    algorithm: "ed25519",
    validFrom: validFrom as SigningKey["validFrom"],
    ...(retiredAt === undefined ? {} : { retiredAt: retiredAt as SigningKey["validFrom"] }),
    ...(revokedAt === undefined ? {} : { revokedAt: revokedAt as SigningKey["validFrom"] }),
  };
}

function parseLine(line: string): JsonObject | undefined {
  try {
    const value = JSON.parse(line) as JsonValue;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // Reported with its line number by the caller.
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isArray(value);
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
