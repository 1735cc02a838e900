import { hash } from "node:crypto";

const scratchSize = 1 + 64 * 1024 + 32;
const scratch = Buffer.alloc(scratchSize); // first byte 0x00: the RFC 6962 leaf prefix

/** H(salt ‖ payload): what stays of a payload once it is destroyed (P6). Both lie side by side in the frame. */
export function commitmentOf(saltAndPayload: Uint8Array): Buffer {
  return hash("sha256", saltAndPayload, "buffer");
}

/**
 * Leaf of a record: RFC 6962 leaf hash of header ‖ commitment (P6). The commitment has a fixed length, so no two
 * pairs share a concatenation. One-shot hashing over a scratch buffer: streaming costs 3 µs here, this 1.2 µs.
 */
export function recordLeaf(header: Uint8Array, commitment: Uint8Array): Buffer {
  const length = 1 + header.length + commitment.length;
  const input = length <= scratchSize ? scratch : Buffer.alloc(length);
  input.set(header, 1);
  input.set(commitment, 1 + header.length);
  return hash("sha256", input.subarray(0, length), "buffer");
}
