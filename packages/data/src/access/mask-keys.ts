import { randomBytes } from "node:crypto";
import { hmacBlocks } from "../deidentify/hmac-blocks.ts";
import type { MaskKeys } from "./access-plan.ts";

/** The secret that pseudonyms of an organisation are made under. */
export interface PseudonymKeys {
  keyOf(organisationId: string): Promise<Uint8Array>;
}

/** Keys of one read: pseudonyms are those of the organisation and the purpose, hashes of this read alone. */
export async function maskKeys(
  pseudonyms: PseudonymKeys,
  organisationId: string,
  purpose: string,
): Promise<MaskKeys> {
  const key = await pseudonyms.keyOf(organisationId);
  return {
    pseudonym: hmacBlocks(key, `portolan access ${purpose}`),
    hash: hmacBlocks(randomBytes(32), "portolan access once"),
  };
}
