import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { modelStatement, signedBundle, verifyModelBundle } from "./policy.ts";

const signedAt = asEpochMicros(1_700_000_000_000_000);
const model = new TextEncoder().encode("the bytes of a model");
const sha256 = createHash("sha256").update(model).digest("hex");
const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });

function aKey(change: Partial<SigningKey> = {}): SigningKey {
  const publicKeyPem = createPublicKey(pair.privateKey).export({ type: "spki", format: "pem" }).toString();
  return {
    id: "sgk_1",
    purpose: "model",
    algorithm: "ecdsa-p256",
    publicKeyPem,
    validFrom: asEpochMicros(0),
    ...change,
  };
}

function aBundle(key = aKey(), files = [{ name: "model.onnx", sha256 }]): Uint8Array {
  const statement = modelStatement("flight-delays", files);
  return signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
}

const files = [{ name: "model.onnx", sha256 }];

interface Bundle {
  readonly verificationMaterial: object;
  readonly dsseEnvelope: object;
}

describe("model signatures", () => {
  test("what was signed verifies and names its key", () => {
    expect(verifyModelBundle(aBundle(), { files, signedAt, keys: [aKey()] })).toMatchObject({
      kind: "valid",
      keyId: "sgk_1",
    });
  });

  test("one changed byte of the model is named", () => {
    const changed = [{ name: "model.onnx", sha256: sha256.replace(/^./, (c) => (c === "0" ? "1" : "0")) }];
    expect(verifyModelBundle(aBundle(), { files: changed, signedAt, keys: [aKey()] })).toEqual({
      kind: "invalid",
      reason: "model.onnx was changed after it was signed",
    });
  });

  test("a missing file and an added file are both refused", () => {
    expect(verifyModelBundle(aBundle(), { files: [], signedAt, keys: [aKey()] })).toMatchObject({
      kind: "invalid",
    });
    const more = [...files, { name: "payload.py", sha256 }];
    expect(verifyModelBundle(aBundle(), { files: more, signedAt, keys: [aKey()] })).toMatchObject({
      reason: "payload.py is not covered by the signature",
    });
  });

  test("no changed byte of the bundle verifies", () => {
    const bundle = aBundle();
    const valid = (bytes: Uint8Array) =>
      verifyModelBundle(bytes, { files, signedAt, keys: [aKey()] }).kind === "valid";
    const accepted: number[] = [];
    for (let i = 0; i < bundle.length; i++) {
      const changed = bundle.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      if (valid(changed)) accepted.push(i);
    }
    // Only bytes that carry no meaning may change: the last base64 digit's unused bits and members that the format leaves open.
    const text = Buffer.from(bundle).toString();
    for (const index of accepted)
      expect(text.slice(Math.max(0, index - 30), index + 12)).toMatch(/tlogEntries|keyid|=|sig|"/);
    expect(accepted.length).toBeLessThan(40);
  });

  test("a retired key verifies what it signed before, and nothing after", () => {
    const retired = aKey({ retiredAt: asEpochMicros(signedAt + 1) });
    expect(verifyModelBundle(aBundle(), { files, signedAt, keys: [retired] }).kind).toBe("valid");
    const later = asEpochMicros(signedAt + 2);
    expect(verifyModelBundle(aBundle(), { files, signedAt: later, keys: [retired] }).kind).toBe("invalid");
  });

  test("an unknown key, a key of another purpose and a key on another curve are refused", () => {
    expect(verifyModelBundle(aBundle(), { files, signedAt, keys: [] }).kind).toBe("invalid");
    expect(verifyModelBundle(aBundle(), { files, signedAt, keys: [aKey({ purpose: "charter" })] }).kind).toBe(
      "invalid",
    );
    const other = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    const pem = createPublicKey(createPrivateKey(other.privateKey.export({ type: "pkcs8", format: "pem" })))
      .export({ type: "spki", format: "pem" })
      .toString();
    const foreign = aKey({ publicKeyPem: pem });
    expect(verifyModelBundle(aBundle(foreign), { files, signedAt, keys: [foreign] })).toMatchObject({
      reason: /P-256/,
    });
  });

  test.each(["P-256", "P-384", "P-521"] as const)(
    "a key on %s verifies what it signed with the hash of its curve",
    (curve) => {
      const other = generateKeyPairSync("ec", { namedCurve: curve });
      const publicKeyPem = other.publicKey.export({ type: "spki", format: "pem" }).toString();
      const statement = modelStatement("flight-delays", files);
      const hash = { "P-256": "sha256", "P-384": "sha384", "P-521": "sha512" }[curve];
      const bundle = signedBundle(
        statement,
        sign(hash, statement.toSign, other.privateKey),
        aKey({ publicKeyPem }),
      );
      const keys = [aKey({ publicKeyPem })];
      expect(verifyModelBundle(bundle, { files, signedAt, keys }).kind).toBe("valid");
    },
  );

  test.each([
    ["an envelope", (bundle: Bundle) => ({ ...bundle, dsseEnvelope: undefined })],
    ["verification material", (bundle: Bundle) => ({ ...bundle, verificationMaterial: undefined })],
    [
      "a list of log entries",
      (bundle: Bundle) => ({
        ...bundle,
        verificationMaterial: { ...bundle.verificationMaterial, tlogEntries: undefined },
      }),
    ],
  ])("a bundle without %s is refused, as the specification asks", (_what, without) => {
    const bundle = JSON.parse(Buffer.from(aBundle()).toString()) as Bundle;
    const broken = Buffer.from(JSON.stringify(without(bundle)));
    expect(verifyModelBundle(broken, { files, signedAt, keys: [aKey()] }).kind).toBe("invalid");
  });

  test("files are listed by code point, not by UTF-16 unit", () => {
    const names = ["\u{1F600}.bin", "\uFB01.bin", "a.bin"];
    const statement = modelStatement(
      "m",
      names.map((name) => ({ name, sha256 })),
    );
    const listed = JSON.parse(new TextDecoder().decode(statement.payload)).predicate.resources.map(
      (r: { name: string }) => r.name,
    );
    expect(listed).toEqual(["a.bin", "\uFB01.bin", "\u{1F600}.bin"]);
  });

  test("hostile bytes are a verdict, never a crash", () => {
    const hostile = [
      "",
      "{",
      "[]",
      "null",
      '{"mediaType":1}',
      "\uFFFF".repeat(10),
      `{"dsseEnvelope":${"[".repeat(5000)}`,
    ];
    for (const text of hostile) {
      expect(
        verifyModelBundle(new TextEncoder().encode(text), { files, signedAt, keys: [aKey()] }).kind,
      ).toBe("invalid");
    }
  });
});
