import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import {
  attestationStatement,
  modelStatement,
  signedBundle,
  verifyAttestation,
  verifyModelBundle,
} from "../policy.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key: SigningKey = {
  id: "sgk_1",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(10),
};
const sha256 = createHash("sha256").update("the bytes of a model").digest("hex");
const folder = { name: "flight-delays", files: [{ name: "model.onnx", sha256 }] };
const type = "https://example.org/says/v1";

function aBundle(predicate: Record<string, string> = { said: "yes" }): Uint8Array {
  const statement = attestationStatement(folder, type, predicate);
  return signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
}
const payloadOf = (payload: Uint8Array) => JSON.parse(new TextDecoder().decode(payload));

describe("an attestation", () => {
  test("is about the same digest as the model's signature, and about the file by its own", () => {
    const signature = payloadOf(modelStatement(folder.name, folder.files).payload);
    const attested = payloadOf(attestationStatement(folder, type, {}).payload);
    expect(attested.subject[0]).toEqual(signature.subject[0]);
    expect(attested.subject[1]).toEqual({ name: "model.onnx", digest: { sha256 } });
    expect(attested).toMatchObject({ _type: "https://in-toto.io/Statement/v1", predicateType: type });
  });

  test("gives its predicate once the signature holds", () => {
    expect(verifyAttestation(aBundle(), folder, { keys: [key], signedAt: asEpochMicros(11) })).toEqual({
      kind: "valid",
      keyId: "sgk_1",
      predicateType: type,
      predicate: { said: "yes" },
    });
  });

  test("of other bytes, of another model, of an unknown key or of a key before its time is refused with the reason", () => {
    const trust = { keys: [key], signedAt: asEpochMicros(11) };
    const other = { ...folder, files: [{ name: "model.onnx", sha256: "0".repeat(64) }] };
    expect(verifyAttestation(aBundle(), other, trust)).toEqual({
      kind: "invalid",
      reason: "it is about other bytes",
    });
    expect(verifyAttestation(aBundle(), { ...folder, name: "churn" }, trust)).toEqual({
      kind: "invalid",
      reason: "it is about the model flight-delays",
    });
    expect(verifyAttestation(aBundle(), folder, { ...trust, keys: [] })).toMatchObject({
      reason: /not trusted/,
    });
    expect(verifyAttestation(aBundle(), folder, { keys: [key], signedAt: asEpochMicros(9) })).toMatchObject({
      reason: /retired or revoked/,
    });
  });

  test("is told from a model signature by its predicate type, in both directions", () => {
    const statement = modelStatement(folder.name, folder.files);
    const signature = signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
    expect(verifyAttestation(signature, folder, { keys: [key], signedAt: "not judged" })).toMatchObject({
      predicateType: "https://model_signing/signature/v1.0",
    });
    expect(
      verifyModelBundle(aBundle(), { files: folder.files, keys: [key], signedAt: "not judged" }),
    ).toEqual({
      kind: "invalid",
      reason: "the statement is of another kind",
    });
  });

  test("of the same facts is the same bytes", () => {
    const bytes = (predicate: Record<string, string>) =>
      Buffer.from(attestationStatement(folder, type, predicate).payload).toString();
    expect(bytes({ a: "1", b: "2" })).toBe(bytes({ b: "2", a: "1" }));
  });
});
