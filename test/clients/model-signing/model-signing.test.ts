import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { modelStatement, type SignedFile, signedBundle, verifyModelBundle } from "@portolan/registry/policy";
import { type MadeCertificate, makeCertificate } from "@portolan/testkit/certificate";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runPortolan } from "../../../apps/cli/test/product.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** OpenSSF Model Signing v1.0: the reference implementation (Python `model_signing`) against ours, both ways. */
const python = await pythonClient("model-signing");

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key: SigningKey = {
  id: "sgk_test",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
const signedAt = asEpochMicros(1_700_000_000_000_000);

describe.skipIf(python === undefined)("model_signing of Python", () => {
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-signing-"));
    await writeFile(join(folder, "key.pub"), key.publicKeyPem);
    await writeFile(join(folder, "key.pem"), pair.privateKey.export({ type: "pkcs8", format: "pem" }));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  let model: string;
  beforeEach(() => {
    model = join(folder, `model-${count++}`);
  });

  async function write(name: string, text: string): Promise<SignedFile> {
    const path = join(model, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return { name, sha256: createHash("sha256").update(text).digest("hex") };
  }
  const program = (...args: string[]) =>
    runCommand(join(dirname(python ?? ""), "model_signing"), args, { cwd: folder });
  const theyVerify = () =>
    program(
      "verify",
      "key",
      model,
      "--signature",
      join(model, "model.sig"),
      "--public_key",
      join(folder, "key.pub"),
    );
  const theySign = (privateKey = "key.pem") =>
    program(
      "sign",
      "key",
      model,
      "--signature",
      join(model, "model.sig"),
      "--private_key",
      join(folder, privateKey),
    );

  async function weSign(files: readonly SignedFile[]): Promise<void> {
    const statement = modelStatement("flight-delays", files);
    const bundle = signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
    await writeFile(join(model, "model.sig"), bundle);
  }

  test("accepts a bundle of ours, and refuses it once a byte of the model is another", async () => {
    await weSign([await write("model.onnx", "the bytes of a model")]);
    expect(await theyVerify()).toMatchObject({ exitCode: 0 });
    await write("model.onnx", "the bytes of a modeL");
    expect((await theyVerify()).exitCode).not.toBe(0);
  });

  test("accepts a folder of ours whose names sort differently by path and by code point", async () => {
    const names = ["a/b.txt", "a.txt", "a0.txt", "ß.txt", "😀.txt", "\uFB01.txt", "sub/deep/model.onnx"];
    const files: SignedFile[] = [];
    for (const name of names) files.push(await write(name, `content of ${name}`));
    await weSign(files);
    expect(await theyVerify()).toMatchObject({ exitCode: 0 });
  });

  test("refuses a file that our bundle does not cover", async () => {
    await weSign([await write("model.onnx", "the bytes of a model")]);
    await write("payload.py", "import os");
    expect((await theyVerify()).exitCode).not.toBe(0);
  });

  test.each(["P-384", "P-521"])("signs with a key on %s what verifies here", async (namedCurve) => {
    const other = generateKeyPairSync("ec", { namedCurve });
    const files = [await write("model.onnx", "the bytes of a model")];
    await writeFile(join(folder, "other.pem"), other.privateKey.export({ type: "pkcs8", format: "pem" }));
    expect(await theySign("other.pem")).toMatchObject({ exitCode: 0 });
    const publicKeyPem = other.publicKey.export({ type: "spki", format: "pem" }).toString();
    const bundle = await readFile(join(model, "model.sig"));
    const keys = [{ ...key, publicKeyPem }];
    expect(verifyModelBundle(bundle, { files, signedAt, keys })).toMatchObject({ kind: "valid" });
  });

  const root = makeCertificate({ subject: "root", authority: {}, keyUsage: 0x04 });
  const between = makeCertificate({ subject: "between", issuer: root, authority: {}, keyUsage: 0x04 });

  /** The file, key, chain and authority on disk. */
  async function certified(leaf: MadeCertificate): Promise<(name: string) => string> {
    await write("model.onnx", "the bytes of a model");
    const path = (name: string) => join(folder, name);
    await writeFile(path("leaf.key"), leaf.privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(path("leaf.pem"), leaf.pem);
    await writeFile(path("between.pem"), between.pem);
    await writeFile(path("chain.pem"), leaf.pem + between.pem);
    await writeFile(path("root.pem"), root.pem);
    await writeFile(path("foreign.pem"), makeCertificate({ subject: "root", authority: {} }).pem);
    return path;
  }
  const byCertificate = (authority: string) => {
    const signature = ["--signature", join(model, "model.sig")];
    return program("verify", "certificate", model, ...signature, "--certificate_chain", authority);
  };
  const portolan = (...args: string[]) => runPortolan(["model", ...args], { PATH: process.env["PATH"] });
  const weVerify = (authority: string) =>
    portolan(
      "verify",
      "arrivals",
      "1",
      "--attestations",
      model,
      "--authorities",
      authority,
      "--file",
      join(model, "model.onnx"),
    );

  test.each(["P-256", "P-384", "P-521"] as const)(
    "accepts what we sign by certificate on %s, from its authority alone and for the bytes that were signed",
    async (namedCurve) => {
      const leaf = makeCertificate({ subject: "models@acme", issuer: between, keyUsage: 0x80, namedCurve });
      const path = await certified(leaf);
      const given = ["--key", path("leaf.key"), "--chain", path("chain.pem")];
      const file = join(model, "model.onnx");
      const signed = await portolan("certify", "arrivals", file, ...given, "--out", join(model, "model.sig"));
      expect([signed.code, signed.err]).toEqual([0, ""]);
      expect(await byCertificate(path("root.pem"))).toMatchObject({ exitCode: 0 });
      expect((await byCertificate(path("foreign.pem"))).exitCode).not.toBe(0);
      const verified = await weVerify(path("root.pem"));
      expect([verified.code, verified.out]).toEqual([0, expect.stringContaining("CN=models@acme")]);
      await write("model.onnx", "the bytes of a modeL");
      expect((await byCertificate(path("root.pem"))).exitCode).not.toBe(0);
    },
  );

  test("signs by certificate what verifies here, from its authority alone", async () => {
    const path = await certified(makeCertificate({ subject: "them", issuer: between, codeSigning: true }));
    const signed = await program(
      "sign",
      "certificate",
      model,
      "--signature",
      join(model, "model.sig"),
      "--private_key",
      path("leaf.key"),
      "--signing_certificate",
      path("leaf.pem"),
      "--certificate_chain",
      path("between.pem"),
    );
    expect([signed.exitCode, signed.exitCode === 0 ? "" : signed.output]).toEqual([0, ""]);
    expect(await byCertificate(path("root.pem"))).toMatchObject({ exitCode: 0 });
    expect(await weVerify(path("root.pem"))).toMatchObject({ code: 0 });
    const foreign = await weVerify(path("foreign.pem"));
    expect([foreign.code, foreign.out]).toEqual([1, expect.stringContaining("leads back to no authority")]);
  });

  test("and we refuse keys that are not the certificate's, and certificates that may not sign", async () => {
    const path = await certified(makeCertificate({ subject: "no use", issuer: between, keyUsage: 0x20 }));
    const file = join(model, "model.onnx");
    const certify = (key: string) =>
      portolan(
        "certify",
        "arrivals",
        file,
        "--key",
        key,
        "--chain",
        path("chain.pem"),
        "--out",
        path("no.sig"),
      );
    expect((await certify(path("leaf.key"))).err).toContain("its certificate is not for signing");
    expect((await certify(path("key.pem"))).err).toContain("is not the key of the first certificate");
  });

  test("signs a folder whose bundle verifies here, and no longer once a byte is another", async () => {
    const names = ["model.onnx", "a/b.txt", "a.txt", "\uFB01.txt", "😀.txt"];
    const files: SignedFile[] = [];
    for (const name of names) files.push(await write(name, `content of ${name}`));
    await write(".gitignore", "ignored by default, so not signed");
    expect(await theySign()).toMatchObject({ exitCode: 0 });
    const bundle = await readFile(join(model, "model.sig"));
    expect(verifyModelBundle(bundle, { files, signedAt, keys: [key] })).toMatchObject({
      kind: "valid",
      keyId: key.id,
    });
    const tampered = await write("a.txt", "content of a.tXt");
    const now = files.map((file) => (file.name === "a.txt" ? tampered : file));
    expect(verifyModelBundle(bundle, { files: now, signedAt, keys: [key] })).toEqual({
      kind: "invalid",
      reason: "a.txt was changed after it was signed",
    });
  });
});
