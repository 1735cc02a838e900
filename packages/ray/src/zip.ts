import { crc32 } from "node:zlib";

/** A file of an archive. */
export interface ZipEntry {
  /** Plain ASCII, relative, with `/`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** 1980-01-01, the first date that the format has: same files, same bytes. */
const date = 0x21;
const version = 20;
/** A regular file that its owner alone reads, in the upper half as Unix has it. */
const attributes = (0o100600 << 16) >>> 0;
const madeOnUnix = 3 << 8;

/**
 * A ZIP archive of files as they are, without compression (Parquet and ONNX are compressed or dense already). Pure.
 *
 * @throws RangeError for what the format's 32 bits do not hold
 */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    if (bytes.length > 0xffff_ffff || offset > 0xffff_ffff) throw new RangeError(`${name} is too large`);
    const path = Buffer.from(name, "ascii");
    // From here on, both headers of a file say the same: time, date, checksum, sizes, length of the name.
    const facts = Buffer.alloc(20);
    facts.writeUInt16LE(date, 2);
    facts.writeUInt32LE(crc32(bytes), 4);
    facts.writeUInt32LE(bytes.length, 8);
    facts.writeUInt32LE(bytes.length, 12);
    facts.writeUInt16LE(path.length, 16);
    const local = Buffer.alloc(10);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(version, 4);
    const central = Buffer.alloc(12);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(madeOnUnix | version, 4);
    central.writeUInt16LE(version, 6);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(attributes, 6);
    rest.writeUInt32LE(offset, 10);
    parts.push(local, facts, path, bytes);
    directory.push(central, facts, rest, path);
    offset += local.length + facts.length + path.length + bytes.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}
