import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, syncFolder, writeSynced } from "@portolan/kernel";

const keyBytes = 32;

/**
 * The secret of an organisation's pseudonyms, made at its first use and written once. Who loses it can no longer join what was read before
 * with what is read after; who has it can find out whose pseudonym one is.
 */
export async function pseudonymKey(folder: string, organisationId: string): Promise<Uint8Array> {
  const path = join(folder, organisationId.replaceAll(/[^0-9A-Za-z_-]/g, "_"));
  const known = await readIfThere(path);
  if (known?.length === keyBytes) return known;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = randomBytes(keyBytes);
  try {
    await writeSynced(path, "wx", 0o600, (file) => file.writeFile(key));
  } catch (error) {
    // Another read made it meanwhile.
    const made = await readIfThere(path);
    if (made?.length === keyBytes) return made;
    throw error;
  }
  await syncFolder(folder);
  return key;
}
