import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { type EpochMicros, type Id, newId, type SigningKey, systemClock } from "@portolan/kernel";

interface Pair {
  readonly key: SigningKey;
  readonly privateKey: KeyObject;
}

/** A key of the installation, with what signs by it. */
export function pair(purpose: "model" | "snapshot"): Pair {
  const made =
    purpose === "model"
      ? generateKeyPairSync("ec", { namedCurve: "prime256v1" })
      : generateKeyPairSync("ed25519");
  return {
    privateKey: made.privateKey,
    key: {
      id: newId("signingKey", systemClock.now()),
      purpose,
      algorithm: purpose === "model" ? "ecdsa-p256" : "ed25519",
      publicKeyPem: made.publicKey.export({ type: "spki", format: "pem" }).toString(),
      validFrom: (systemClock.now() - 86_400_000_000) as EpochMicros,
    },
  };
}

/** What a client sends of its API key. */
export function keyText(id: Id<"apiKey">, secret: string): string {
  return `ptk_dev_${id.slice("key_".length)}_${secret}`;
}

/** The same key as grants name it. */
export function grantedKey(id: Id<"apiKey">, secret: string, owner: string) {
  return {
    id,
    secretSha256: createHash("sha256").update(secret).digest("hex"),
    principalId: owner,
    environment: "dev",
    expiresAt: systemClock.now() + 3600e6,
  };
}
