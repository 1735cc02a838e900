import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { link, mkdir, readFile, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type KeyAlgorithm, messageOf, PortolanError, syncFolder, writeSynced } from "@portolan/kernel";

/**
 * Private keys as PKCS #8 PEM files, one per key, readable by the owner alone. A file is written beside, synced
 * and only then linked to its name: a crash leaves the whole key or none, and an existing key is never overwritten.
 */
export interface KeyFiles {
  /** Makes a key pair; resolves to the public half once the private one is on disk. */
  create(keyId: string, algorithm: KeyAlgorithm): Promise<string>;
  /** @throws PortolanError `identity.key_file_missing` */
  load(keyId: string): Promise<KeyObject>;
}

export function openKeyFiles(directory: string): KeyFiles {
  const pathOf = (keyId: string): string => join(directory, `${keyId}.pem`);
  return {
    async create(keyId, algorithm) {
      const { publicKey, privateKey } = generate(algorithm);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeNew(pathOf(keyId), privateKey.export({ type: "pkcs8", format: "pem" }).toString());
      return publicKey.export({ type: "spki", format: "pem" }).toString();
    },
    async load(keyId) {
      try {
        return createPrivateKey(await readFile(pathOf(keyId)));
      } catch (cause) {
        throw new PortolanError("identity.key_file_missing", {
          detail: `the private half of ${keyId} cannot be read: ${messageOf(cause)}`,
          mend: "Restore the keys folder from the backup, or rotate the key.",
          cause,
        });
      }
    },
  };
}

function generate(algorithm: KeyAlgorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (algorithm) {
    case "ed25519":
      return generateKeyPairSync("ed25519");
    case "ecdsa-p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
  }
}

/**
 * Writes a secret to a new file with mode 0600, all or nothing.
 * @throws the system's `EEXIST` error when the file is there already.
 */
export async function writeNew(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await writeSynced(draft, "wx", 0o600, (file) => file.writeFile(text));
  try {
    // `link` fails when the name exists, where `rename` would silently replace a key.
    await link(draft, path);
  } finally {
    await unlink(draft);
  }
  await syncFolder(dirname(path));
}
