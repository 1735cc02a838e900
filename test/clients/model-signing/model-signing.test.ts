import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { modelStatement, type SignedFile, signedBundle, verifyModelBundle } from "@portolan/registry/policy";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
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
