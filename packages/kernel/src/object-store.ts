import type { Digest } from "./digest.ts";

/** Content-addressed bytes: written once, never overwritten, verified when read. */
export interface ObjectStore {
  put(bytes: Uint8Array): Promise<Digest>;
  /**
   * Takes bytes as they come, in bounded memory; what a source that fails or grows beyond `maxBytes` left is removed.
   * @throws PortolanError `objectstore.too_large`, or what the source throws
   */
  putStream(
    source: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number }>;
  /** Streams a file in; resolves to its digest. The source stays where it is. */
  putFile(path: string): Promise<{ readonly digest: Digest; readonly sizeBytes: number }>;
  has(digest: Digest): Promise<boolean>;
  /** @throws PortolanError `objectstore.not_found`, or `objectstore.corrupt` when the bytes do not match. */
  get(digest: Digest): Promise<Uint8Array>;
  /** A local path to read-only bytes, for tools that want a file. Verified before it is handed out. */
  localPath(digest: Digest): Promise<string>;
  /**
   * Removes the bytes for good; resolves to whether they were there. For `ByteRemoval` alone, which knows whether somebody holds them:
   * equal bytes are kept once for all.
   */
  remove(digest: Digest): Promise<boolean>;
}
