import { leafHash, sameHash, splitHashes, tileWidth, toHex } from "@portolan/merkle";
import { rowLeaf } from "./export-format.ts";
import type { CopyLeaf } from "./findings.ts";
import type { LogCopy } from "./leaf-reader.ts";
import { parseEntry, parsePayload } from "./row-format.ts";
import type { RowTable } from "./tables.ts";
import type { TileFolder } from "./tile-folder.ts";

/** The hash tiles on disk, a tile at a time. */
export function tileCopy(folder: TileFolder): LogCopy {
  return {
    name: "tiles",
    async *open(end) {
      for (let at = 0; at < end; at += tileWidth) {
        const width = Math.min(tileWidth, end - at);
        const hashes = splitHashes(await folder.readTile({ level: 0, index: at / tileWidth, width }));
        yield hashes.map((hash, i): CopyLeaf => ({ hash: toHex(hash), id: undefined, index: at + i }));
      }
    },
  };
}

/** The entry bundles on disk, a bundle at a time. */
export function bundleCopy(folder: TileFolder): LogCopy {
  return {
    name: "bundles",
    async *open(end) {
      for (let at = 0; at < end; at += tileWidth) {
        const width = Math.min(tileWidth, end - at);
        const entries = await folder.readBundle({ index: at / tileWidth, width });
        yield entries.map((entry, i): CopyLeaf => bundleLeaf(entry, at + i));
      }
    },
  };
}

/** Only a finding asks for the id: where all is well no entry is parsed. */
function bundleLeaf(entry: Uint8Array, index: number): CopyLeaf {
  return {
    hash: toHex(leafHash(entry)),
    index,
    get id() {
      return parseEntry(entry)?.id;
    },
  };
}

/** Sequenced rows from a position on, in order; empty after the last one. */
export type ReadRows = (from: number) => Promise<readonly RowTable[]>;

/** The rows in SQL, with every column held against the bytes that the leaf commits to. */
export function rowCopy(read: ReadRows): LogCopy {
  return {
    name: "rows",
    async *open() {
      let page = await read(0);
      while (page.length > 0) {
        // Asked for before this page is hashed: the database and this thread then work at the same time.
        const next = read((page.at(-1)?.position ?? 0) + 1);
        next.catch(() => undefined); // awaited below; until then a failure must not count as unhandled
        yield page.map(sqlLeaf);
        page = await next;
      }
    },
  };
}

function sqlLeaf(row: RowTable): CopyLeaf {
  const leaf = rowLeaf({
    index: row.position ?? -1,
    id: row.id,
    entry: row.entry,
    salt: row.salt ?? undefined,
    payload: row.payload ?? undefined,
  });
  const fault = leaf.fault ?? columnFault(row);
  return fault === undefined ? leaf : { ...leaf, fault };
}

function columnFault(row: RowTable): string | undefined {
  const header = parseEntry(row.entry);
  if (!sameHash(leafHash(row.entry), row.leaf_hash)) return "column leaf_hash is not the hash of the entry";
  if (header?.organisation !== row.organisation_id) return "column organisation_id differs from the entry";
  if (header.class !== row.class) return "column class differs from the entry";
  if (header.at !== row.at) return "column at differs from the entry";
  if (row.payload === null) return undefined;
  const payload = parsePayload(row.payload);
  if (payload?.event !== row.event) return "column event differs from the payload";
  if (payload?.subject !== row.subject) return "column subject differs from the payload";
  if (payload?.actor.id !== row.actor_id) return "column actor_id differs from the payload";
  if (payload?.requestId !== row.request_id) return "column request_id differs from the payload";
  return undefined;
}
