import { createHash } from "node:crypto";

/** Namespace of the run ids that are made of Portolan's own ids (RFC 9562, version 5): chosen once, and never another. */
const namespace = Buffer.from("7c1f0d3a5b2e4f6891a3c4d5e6f70819", "hex");

/** The UUID that OpenLineage wants, of an id of ours: always the same for the same thing. */
export function runIdOf(organisationId: string, id: string): string {
  const hash = createHash("sha1")
    .update(namespace)
    .update(`${organisationId}:${id}`)
    .digest()
    .subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
