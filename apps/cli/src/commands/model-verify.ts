import { createPublicKey } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { WhoAmI } from "@portolan/identity/contract";
import {
  asEpochMicros,
  type Environment,
  environments,
  messageOf,
  PortolanError,
  type SigningKey,
} from "@portolan/kernel";
import type { AttestationView, ModelVersion } from "@portolan/registry/contract";
import { missingEvidence, pemBlocks, type Release } from "@portolan/registry/policy";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { signedFileOf } from "../provenance/signed-file.ts";
import { type Evidence, type VersionVerdict, verifyEvidence } from "../provenance/verify-evidence.ts";
import { attestationSuffix, signatureFileName } from "./model-attestations.ts";

interface VerifyOptions {
  readonly file?: string;
  readonly prompt?: string;
  readonly attestations?: string;
  readonly publicKey?: readonly string[];
  readonly authorities?: readonly string[];
  readonly for?: string;
  readonly organisation?: string;
}

export function registerVerify(model: Command, contextOf: ContextOf): void {
  model
    .command("verify <name> <version>")
    .description(
      "Check a version's signature and attestations against its bytes, here, not on the server (exit code 1 when one does not hold)",
    )
    .option("--file <file>", "check this file instead of the registry's copy")
    .option("--prompt <file>", "check this prompt (prompt.json) instead of the registry's copy")
    .option(
      "--attestations <folder>",
      "evidence as `model attestations --out` wrote it; with --file and --public-key no server is asked",
    )
    .option("--public-key <files...>", "PEM files of the keys to trust, with --attestations")
    .option(
      "--authorities <files...>",
      "PEM files of authorities whose certificates are to be trusted, with --attestations",
    )
    .option("--for <environment>", "demand what shows that it may be there: provenance, promotion, gates")
    .option(
      "--organisation <id>",
      "the organisation that the version is of, as `portolan whoami` says it; needed with --for when no server is asked",
    )
    .addHelpText(
      "after",
      `
Examples:
  portolan model verify flight-delays 1 --file model.onnx
  portolan model verify flight-delays 1 --for production
  portolan model verify flight-delays 1 --attestations evidence --public-key key.pem --file model.onnx --for production --organisation org_01…`,
    )
    .action(async (name: string, version: string, options: VerifyOptions, command: Command) => {
      const context = contextOf(command);
      const number = versionNumber(version);
      const environment = environmentOf(options.for);
      const within = (path: string) => resolve(context.cwd, path);
      const local = {
        ...(options.file === undefined ? {} : { file: within(options.file) }),
        ...(options.prompt === undefined ? {} : { prompt: within(options.prompt) }),
      };
      const evidence =
        options.attestations === undefined &&
        options.publicKey === undefined &&
        options.authorities === undefined
          ? await fetchEvidence(await connect(context), name, version, local)
          : await readEvidence(name, number, local, options, within);
      const { organisationId } = evidence;
      const release =
        environment && organisationId !== undefined
          ? { organisationId, model: name, version: number, environment }
          : undefined;
      const verdict = demand(verifyEvidence(evidence), release);
      if (verdict.kind !== "valid") process.exitCode = 1;
      context.output.result(verdict, describe(verdict));
    });
}

function environmentOf(text: string | undefined): Environment | undefined {
  const found = environments.find((one) => one === text);
  if (text !== undefined && !found)
    throw badUsage(`${text} is no environment`, `Give --for ${environments.join(", ")}.`);
  return found;
}

function versionNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw badUsage(`${text} is no version`, "Give its number, e.g. 1.");
}

/** Files here that are checked in place of what the registry has. */
interface LocalFiles {
  readonly file?: string;
  readonly prompt?: string;
}

/** The verdict, and what is missing before the statements show that the version may be there. */
function demand(verdict: VersionVerdict, release: Release | undefined): VersionVerdict {
  if (release === undefined || verdict.kind === "invalid") return verdict;
  const [missing] = missingEvidence(verdict.statements, release);
  return missing === undefined ? verdict : { ...verdict, kind: "invalid", reason: missing };
}

async function fetchEvidence(
  api: ApiClient,
  name: string,
  version: string,
  { file, prompt: promptFile }: LocalFiles,
): Promise<Evidence> {
  const path = versionPath(name, version);
  const found = await api.json<ModelVersion>({ path });
  const bytesOf = (local: string | undefined, digest: string) =>
    local === undefined ? api.bytes({ path: `/v1/artifacts/${digest}` }) : readFile(local);
  const { prompt } = found.lineage;
  if (promptFile !== undefined && prompt === undefined)
    throw badUsage(`version ${version} of ${name} has no prompt`, "Leave out --prompt.");
  const contents = [
    await bytesOf(file, found.artifact),
    ...(prompt === undefined ? [] : [await bytesOf(promptFile, prompt)]),
  ];
  const { items: keys } = await api.json<{ items: readonly SigningKey[] }>({ path: "/v1/signing-keys" });
  const { attestations } = await api.json<{ attestations: readonly AttestationView[] }>({
    path: `${path}/attestations`,
  });
  const bundles: Evidence["attestations"][number][] = [];
  const { organisationId } = await api.json<WhoAmI>({ path: "/v1/whoami" });
  for (const { about, digest, signedAt } of attestations)
    bundles.push({
      about,
      bundle: await api.bytes({ path: `${path}/attestations/${digest}` }),
      signedAt: asEpochMicros(signedAt),
    });
  return {
    organisationId,
    name,
    version: found.version,
    files: contents.map(signedFileOf),
    keys,
    signature: {
      bundle: await api.bytes({ path: `${path}/bundle` }),
      signedAt: asEpochMicros(found.signedAt),
    },
    attestations: bundles,
  };
}

/** Everything from files: nobody but the holder of the private key has to be believed. */
async function readEvidence(
  name: string,
  version: number,
  { file, prompt }: LocalFiles,
  { attestations, publicKey = [], authorities = [], organisation, for: environment }: VerifyOptions,
  within: (path: string) => string,
): Promise<Evidence> {
  if (file === undefined || attestations === undefined || publicKey.length + authorities.length === 0)
    throw badUsage(
      "without a server the file, its evidence and the keys to trust are needed",
      "Give --file, --attestations, and --public-key or --authorities, together.",
    );
  if (environment !== undefined && organisation === undefined)
    throw badUsage(
      "without a server nobody says of which organisation the version is",
      "Give --organisation with --for; `portolan whoami` says it.",
    );
  const folder = within(attestations);
  const names = (await readdir(folder)).filter((one) => one.endsWith(attestationSuffix)).toSorted();
  const bundles = names.map(async (one) => ({
    about: one.slice(0, -attestationSuffix.length),
    bundle: await readFile(join(folder, one)),
    signedAt: "not judged" as const,
  }));
  const read = await Promise.all(bundles);
  return {
    ...(organisation === undefined ? {} : { organisationId: organisation }),
    name,
    version,
    files: await Promise.all(
      [file, ...(prompt === undefined ? [] : [prompt])].map(async (path) =>
        signedFileOf(await readFile(path)),
      ),
    ),
    keys: await Promise.all(publicKey.map((path) => readKey(within(path)))),
    authorities: await Promise.all(authorities.map((path) => readAuthorities(within(path)))),
    signature: { bundle: await readFile(join(folder, signatureFileName)), signedAt: "not judged" },
    attestations: read,
  };
}

async function readAuthorities(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  if (pemBlocks(text).length > 0) return text;
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} holds no certificate`,
    mend: "Give the PEM file of an authority.",
  });
}

async function readKey(path: string): Promise<SigningKey> {
  const text = await readFile(path, "utf8");
  try {
    const publicKeyPem = createPublicKey(text).export({ type: "spki", format: "pem" }).toString();
    const id = basename(path).replace(/\.pem$/, "");
    return { id, purpose: "model", algorithm: "ecdsa-p256", publicKeyPem, validFrom: asEpochMicros(0) };
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} is no public key (${messageOf(cause)})`,
      mend: "Give a PEM file, e.g. one that `portolan model attestations --out` wrote.",
      cause,
    });
  }
}

function describe(verdict: VersionVerdict): string {
  const head = verdict.kind === "valid" ? `valid, signed by ${verdict.keyId}` : `INVALID: ${verdict.reason}`;
  if (verdict.attestations.length === 0) return head;
  const rows = verdict.attestations.map((one) => [
    one.about,
    one.kind === "valid" ? "valid" : "INVALID",
    one.kind === "valid" ? one.says : one.reason,
  ]);
  return [head, "", table(["attestation", "signature", "says"], rows)].join("\n");
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend });
}
