import { createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, PortolanError } from "@portolan/kernel";
import { certifiedBundle, modelStatement, pemBlocks, verifyModelBundle } from "@portolan/registry/policy";
import type { Command } from "commander";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { signedFileOf } from "../provenance/signed-file.ts";
import { signatureFileName } from "./model-attestations.ts";

interface CertifyOptions {
  readonly key: string;
  readonly prompt?: string;
  readonly chain: string;
  readonly out: string;
}

export function registerCertify(model: Command, contextOf: ContextOf): void {
  model
    .command("certify <name> <file>")
    .description(
      "Sign a model's file with a certificate of your own authority, here; no server is asked and the key stays with you",
    )
    .requiredOption("--key <file>", "PEM of the certificate's private key, on P-256, P-384 or P-521")
    .requiredOption("--chain <file>", "PEM of the certificate, and of those between it and the authority")
    .option("--prompt <file>", "prompt.json of a text version, which is signed with its upstream.json")
    .option("--out <file>", "where the signature goes", signatureFileName)
    .addHelpText(
      "after",
      `
Examples:
  portolan model certify arrivals model.onnx --key release.key --chain release.pem
  portolan model verify arrivals 1 --attestations . --authorities root.pem --file model.onnx`,
    )
    .action(async (name: string, file: string, options: CertifyOptions, command: Command) => {
      const context = contextOf(command);
      const within = (path: string) => resolve(context.cwd, path);
      const chain = pemBlocks(await readFile(within(options.chain), "utf8"));
      const [leaf] = chain.map((pem) => new X509Certificate(pem));
      const key = await readPrivateKey(within(options.key));
      if (!leaf?.checkPrivateKey(key))
        throw badFile(
          `${options.key} is not the key of the first certificate in ${options.chain}`,
          "Give the certificate's own key, and that certificate first in the chain.",
        );
      const paths = [file, ...(options.prompt === undefined ? [] : [options.prompt])];
      const files = await Promise.all(paths.map(async (path) => signedFileOf(await readFile(within(path)))));
      const statement = modelStatement(name, files);
      const ders = chain.map((pem) => new X509Certificate(pem).raw);
      const bundle = certifiedBundle(statement, sign(hashFor(key), statement.toSign, key), ders);
      // Nobody else is asked yet whom they trust: what issued the chain's last certificate stands in for that.
      const checked = verifyModelBundle(bundle, {
        files,
        keys: [],
        signedAt: "not judged",
        authorities: chain.slice(1),
      });
      const unusable = checked.kind === "invalid" && !/leads back/.test(checked.reason) ? checked.reason : "";
      if (unusable !== "")
        throw badFile(`nobody would accept the signature: ${unusable}`, "Have another certificate issued.");
      const out = within(options.out);
      await writeFile(out, bundle);
      const signer = leaf.subject.split("\n").join(", ");
      context.output.result({ signature: out, signer, files }, `signed by ${signer}: ${out}`);
    });
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  const text = await readFile(path, "utf8");
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw badFile(`${path} is no private key (${messageOf(cause)})`, "Give a PEM file without a passphrase.");
  }
}

/** As OpenSSF Model Signing has it for each curve. */
function hashFor({ asymmetricKeyDetails }: KeyObject): string {
  const hashes: Readonly<Record<string, string | undefined>> = {
    prime256v1: "sha256",
    secp384r1: "sha384",
    secp521r1: "sha512",
  };
  const hash = hashes[asymmetricKeyDetails?.namedCurve ?? ""];
  if (hash === undefined)
    throw badFile("the key is not on P-256, P-384 or P-521", "Have a certificate for such a key issued.");
  return hash;
}

function badFile(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_file", { detail, mend });
}
