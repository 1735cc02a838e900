import { createHash, sign } from "node:crypto";
import { asEpochMicros, parseInstant } from "@portolan/kernel";
import { type MadeCertificate, makeCertificate } from "@portolan/testkit/certificate";
import { describe, expect, test } from "vitest";
import { readExtensions } from "./certificate-extensions.ts";
import { certifiedBundle, modelStatement, verifyModelBundle } from "./policy.ts";

const files = [{ name: "model.onnx", sha256: createHash("sha256").update("a model").digest("hex") }];
const root = makeCertificate({ subject: "root", authority: {}, keyUsage: 0x04 });
const between = makeCertificate({ subject: "between", issuer: root, authority: { pathLength: 0 } });
const leaf = makeCertificate({ subject: "models@acme", issuer: between, keyUsage: 0x80 });

function bundleOf(signer: MadeCertificate, chain: readonly MadeCertificate[]): Uint8Array {
  const statement = modelStatement("arrivals", files);
  const signature = sign("sha256", statement.toSign, signer.privateKey);
  return certifiedBundle(
    statement,
    signature,
    chain.map(({ der }) => der),
  );
}

function verdictOf(
  chain: readonly MadeCertificate[],
  authorities: readonly MadeCertificate[] = [root],
  signedAt: Parameters<typeof verifyModelBundle>[1]["signedAt"] = "not judged",
) {
  const [signer] = chain;
  const pems = authorities.map(({ pem }) => pem);
  return verifyModelBundle(bundleOf(signer ?? leaf, chain), {
    files,
    keys: [],
    signedAt,
    authorities: pems,
  });
}

const untrusted = {
  kind: "invalid",
  reason: "its certificate leads back to no authority that is trusted here",
};

describe("a signature by certificate", () => {
  test("counts where its chain leads back to a trusted authority, and names who signed", () => {
    const signer = expect.stringMatching(/^CN=models@acme \(certificate sha256:[0-9a-f]{64}\)$/) as string;
    expect(verdictOf([leaf, between])).toMatchObject({ kind: "valid", keyId: signer });
    // The root may be in the bundle, too; being there alone it is not trusted.
    expect(verdictOf([leaf, between, root])).toMatchObject({ kind: "valid" });
    expect(verdictOf([leaf, between, root], [])).toEqual(untrusted);
    expect(verdictOf([leaf], [root])).toEqual(untrusted);
    expect(verdictOf([leaf], [between])).toMatchObject({ kind: "valid" });
    expect(verdictOf([between, root])).toMatchObject({ kind: "invalid" });
    const other = makeCertificate({ subject: "root", authority: {}, keyUsage: 0x04 });
    expect(verdictOf([leaf, between], [other])).toEqual(untrusted);
  });

  test("counts for nobody who trusts no authority", () => {
    const bundle = bundleOf(leaf, [leaf, between]);
    expect(verifyModelBundle(bundle, { files, keys: [], signedAt: "not judged" })).toEqual({
      kind: "invalid",
      reason: "it is signed by a certificate, and no authority is trusted here",
    });
  });

  test("is that of the first certificate's key, over these files", () => {
    const other = makeCertificate({ subject: "models@acme", issuer: between, keyUsage: 0x80 });
    const trust = { files, keys: [], signedAt: "not judged", authorities: [root.pem] } as const;
    expect(verifyModelBundle(bundleOf(other, [leaf, between]), trust)).toEqual({
      kind: "invalid",
      reason: "the signature does not match the statement",
    });
    const changed = [{ name: "model.onnx", sha256: "0".repeat(64) }];
    expect(verifyModelBundle(bundleOf(leaf, [leaf, between]), { ...trust, files: changed })).toMatchObject({
      reason: "model.onnx was changed after it was signed",
    });
  });

  test("needs a certificate that is for signing, and none of an authority's", () => {
    const of = (more: object) => verdictOf([makeCertificate({ subject: "x", issuer: root, ...more })]);
    expect(of({ codeSigning: true })).toMatchObject({ kind: "valid" });
    for (const more of [{}, { keyUsage: 0x20 }, { keyUsage: 0x04 }])
      expect(of(more)).toEqual({ kind: "invalid", reason: "its certificate is not for signing" });
    expect(of({ keyUsage: 0x84, authority: {} })).toMatchObject({ reason: /authority's own/ });
    // Marked as an authority's and kept from issuing: a signer's, as in the published vectors.
    expect(of({ keyUsage: 0x80, authority: {} }).kind).toBe("valid");
    expect(of({ keyUsage: 0x80, critical: 30 })).toMatchObject({
      reason: "a certificate has the critical extension 2.5.29.30, which is not known here",
    });
  });

  test("needs issuers that are authorities, may sign certificates, and have no more below them than they may", () => {
    const below = (issuer: MadeCertificate) => makeCertificate({ subject: "x", issuer, keyUsage: 0x80 });
    for (const more of [{}, { authority: {}, keyUsage: 0x80 }, { authority: {}, critical: 30 }]) {
      const issuer = makeCertificate({ subject: "no authority", issuer: root, ...more });
      expect(verdictOf([below(issuer), issuer])).toEqual(untrusted);
    }
    const second = makeCertificate({ subject: "second", issuer: between, authority: {} });
    expect(verdictOf([below(second), second, between])).toEqual(untrusted);
    const free = makeCertificate({ subject: "free", issuer: root, authority: { pathLength: 1 } });
    const third = makeCertificate({ subject: "third", issuer: free, authority: {} });
    expect(verdictOf([below(third), third, free])).toMatchObject({ kind: "valid" });
  });

  test("is judged at the moment that the registry says, else when the signer's certificate began to count", () => {
    const brief = makeCertificate({
      subject: "brief",
      issuer: root,
      keyUsage: 0x80,
      life: ["240101000000Z", "240201000000Z"],
    });
    expect(verdictOf([brief])).toMatchObject({ kind: "valid" });
    expect(verdictOf([brief], [root], parseInstant("2024-01-15T00:00:00Z"))).toMatchObject({ kind: "valid" });
    for (const at of ["2023-12-31T23:59:59Z", "2024-02-01T00:00:01Z"])
      expect(verdictOf([brief], [root], parseInstant(at))).toMatchObject({
        reason: "a certificate did not count when it was signed",
      });
    const late = makeCertificate({
      subject: "late",
      authority: {},
      life: ["300101000000Z", "490101000000Z"],
    });
    const early = makeCertificate({ subject: "early", issuer: late, keyUsage: 0x80 });
    expect(verdictOf([early], [late])).toEqual(untrusted);
    expect(verdictOf([leaf, between], [root], asEpochMicros(0)).kind).toBe("invalid");
  });

  test("that is cut or changed anywhere does not verify, and never throws", () => {
    const trust = { files, keys: [], signedAt: "not judged", authorities: [root.pem] } as const;
    for (let at = 0; at < leaf.der.length; at++) {
      const changed = Buffer.from(leaf.der);
      changed[at] = (changed[at] ?? 0) ^ 1;
      for (const der of [changed, leaf.der.subarray(0, at)]) {
        const bundle = bundleOf(leaf, [{ ...leaf, der }, between]);
        expect(verifyModelBundle(bundle, trust).kind).toBe("invalid");
        readExtensions(der);
      }
    }
    const twice = JSON.parse(Buffer.from(bundleOf(leaf, [leaf, between])).toString()) as {
      verificationMaterial: object;
    };
    const both = {
      ...twice,
      verificationMaterial: { ...twice.verificationMaterial, publicKey: { hint: "x" } },
    };
    expect(verifyModelBundle(Buffer.from(JSON.stringify(both)), trust)).toMatchObject({
      reason: "the bundle names no public key",
    });
  });
});
