import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { type BundleExpectation, type SignedFile, verifyModelBundle } from "./policy.ts";

/** Bundles that others made and published; test/model-signing-vectors/README.md says whose. */
const vector = (name: string): Buffer =>
  readFileSync(new URL(`../test/model-signing-vectors/${name}.sig`, import.meta.url));

const file = (name: string, text: string): SignedFile => ({
  name,
  sha256: createHash("sha256").update(text).digest("hex"),
});

interface Bundle {
  readonly verificationMaterial: {
    readonly publicKey?: { readonly rawBytes: string };
    readonly x509CertificateChain?: { readonly certificates: readonly { readonly rawBytes: string }[] };
    readonly tlogEntries?: readonly unknown[];
  };
  readonly dsseEnvelope: {
    readonly payload: string;
    readonly signatures: readonly { readonly sig: string }[];
  };
}

const read = (bytes: Uint8Array): Bundle => JSON.parse(Buffer.from(bytes).toString()) as Bundle;
const written = (bundle: object): Buffer => Buffer.from(JSON.stringify(bundle));

const publishedKey: SigningKey = {
  id: "published",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: Buffer.from(
    read(vector("v1.0.1-elliptic-key")).verificationMaterial.publicKey?.rawBytes ?? "",
    "base64",
  ).toString(),
  validFrom: asEpochMicros(0),
};

const issuer = Buffer.from(
  read(vector("v1.1.0-certificate")).verificationMaterial.x509CertificateChain?.certificates[1]?.rawBytes ??
    "",
  "base64",
).toString("base64");
const issuerPem = `-----BEGIN CERTIFICATE-----\n${issuer}\n-----END CERTIFICATE-----\n`;

const second = file("signme-2", "signme-2");
const cases = [
  {
    name: "v1.1.0-elliptic-key",
    expected: {
      files: [file("signme-1", "signme-1\n"), second],
      keys: [publishedKey],
      signedAt: "not judged",
    },
  },
  {
    name: "v1.1.0-certificate",
    expected: {
      files: [file("signme-1", "signme-1"), second],
      keys: [],
      authorities: [issuerPem],
      signedAt: "not judged",
    },
  },
] as const satisfies readonly { readonly name: string; readonly expected: BundleExpectation }[];

describe.each(cases)("the published vector $name", ({ name, expected }) => {
  test("verifies over the published files", () => {
    expect(verifyModelBundle(vector(name), expected)).toMatchObject({
      kind: "valid",
      files: expected.files,
    });
  });

  test("does not over files that were changed, taken away or added", () => {
    const [first] = expected.files;
    const verdict = (files: readonly SignedFile[]) => verifyModelBundle(vector(name), { ...expected, files });
    expect(verdict([first, file("signme-2", "signme-2 ")])).toMatchObject({
      reason: "signme-2 was changed after it was signed",
    });
    expect(verdict([first])).toMatchObject({ reason: "signme-2 is signed but missing" });
    expect(verdict([...expected.files, file("ignore-me", "")])).toMatchObject({
      reason: "ignore-me is not covered by the signature",
    });
  });

  test("no changed byte of what was signed or of the signature verifies", () => {
    const bundle = read(vector(name));
    const { payload, signatures } = bundle.dsseEnvelope;
    const changed = (base64: string, at: number): string => {
      const bytes = Buffer.from(base64, "base64");
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes.toString("base64");
    };
    const verdict = (envelope: object) =>
      verifyModelBundle(
        written({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, ...envelope } }),
        expected,
      ).kind;
    expect(verdict({})).toBe("valid");
    const signature = signatures[0]?.sig ?? "";
    for (let at = 0; at < Buffer.from(payload, "base64").length; at += 7)
      expect(verdict({ payload: changed(payload, at) })).toBe("invalid");
    for (let at = 0; at < Buffer.from(signature, "base64").length; at++)
      expect(verdict({ signatures: [{ sig: changed(signature, at), keyid: "" }] })).toBe("invalid");
  });

  test("counts for nobody who trusts neither its key nor its issuer", () => {
    const trustsNone = { ...expected, keys: [], authorities: [] };
    expect(verifyModelBundle(vector(name), trustsNone).kind).toBe("invalid");
  });
});

test("the signature of one published vector is none of the other", () => {
  const [key, certificate] = cases;
  const taken = read(vector(certificate.name)).dsseEnvelope.signatures;
  const bundle = read(vector(key.name));
  const mixed = written({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures: taken } });
  expect(verifyModelBundle(mixed, key.expected)).toMatchObject({
    reason: "the signature does not match the statement",
  });
});

test("a bundle of before the specification is refused as it is, and its signature holds once it is of the form", () => {
  const files = cases[0].expected.files;
  const expected: BundleExpectation = { files, keys: [publishedKey], signedAt: "not judged" };
  expect(verifyModelBundle(vector("v1.0.1-elliptic-key"), expected)).toEqual({
    kind: "invalid",
    reason: "the bundle names no public key",
  });
  const hint = createHash("sha256").update(publishedKey.publicKeyPem).digest("hex");
  const inForm = {
    ...read(vector("v1.0.1-elliptic-key")),
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
  };
  expect(verifyModelBundle(written(inForm), expected)).toMatchObject({ kind: "valid", files });
});
