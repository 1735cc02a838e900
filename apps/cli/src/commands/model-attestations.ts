import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { asEpochMicros, formatInstant, type SigningKey } from "@portolan/kernel";
import type { AttestationView } from "@portolan/registry/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface AttestationsOptions {
  readonly out?: string;
  readonly request?: boolean;
  readonly environment: string;
}

/** File of a version's signature in a folder of its evidence. */
export const signatureFileName = "model.sig";
/** How the files of its attestations end there. */
export const attestationSuffix = ".sigstore.json";

export function registerAttestations(model: Command, contextOf: ContextOf): void {
  model
    .command("attestations <name> <version>")
    .description(
      "Signed statements about a version (in-toto): how it was trained, what evaluations found, where it was promoted to",
    )
    .option("--out <folder>", "write its signature, the statements and the public keys there")
    .option("--request", "first have attested what is on record and not attested yet, e.g. of an old version")
    .option(
      "--environment <name>",
      "with --request: the environment that holds the new statements",
      "production",
    )
    .addHelpText(
      "after",
      "\nExample:\n  portolan model attestations flight-delays 1 --out evidence\n  portolan model verify flight-delays 1 --attestations evidence --public-key evidence/sgk_01m8….pem --file model.onnx",
    )
    .action(async (name: string, version: string, options: AttestationsOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const path = versionPath(name, version);
      if (options.request === true) await request(api, path, options.environment);
      const { attestations } = await api.json<{ attestations: readonly AttestationView[] }>({
        path: `${path}/attestations`,
      });
      const { out } = options;
      const files =
        out === undefined ? [] : await writeEvidence(api, path, resolve(context.cwd, out), attestations);
      const written = files.length === 0 ? [] : ["", `written to ${out}: ${files.join(", ")}`];
      context.output.result({ attestations, files }, [describe(attestations), ...written].join("\n"));
    });
}

async function request(api: ApiClient, path: string, environment: string): Promise<void> {
  const { job } = await api.json<{ job: string }>({ path: `${path}/attestations`, body: { environment } });
  await waitForJob(api, job);
}

function describe(attestations: readonly AttestationView[]): string {
  if (attestations.length === 0)
    return "Nothing is attested. A version of before has it made with --request.";
  return table(
    ["about", "predicate", "signed at", "key", "digest"],
    attestations.map(({ about, predicateType, signedAt, signingKeyId, digest }) => [
      about,
      predicateType,
      formatInstant(asEpochMicros(signedAt)),
      signingKeyId,
      digest,
    ]),
  );
}

/** @returns the names of the files */
async function writeEvidence(
  api: ApiClient,
  path: string,
  folder: string,
  attestations: readonly AttestationView[],
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  // Names come from the server: none of them may lead out of the folder.
  const write = async (named: string, content: Uint8Array | string): Promise<void> => {
    const name = named.replaceAll(/[^\w.-]/g, "-");
    await writeFile(join(folder, name), content);
    files.push(name);
  };
  await write(signatureFileName, await api.bytes({ path: `${path}/bundle` }));
  for (const { about, digest } of attestations)
    await write(`${about}${attestationSuffix}`, await api.bytes({ path: `${path}/attestations/${digest}` }));
  const { items } = await api.json<{ items: readonly SigningKey[] }>({ path: "/v1/signing-keys" });
  for (const { id, purpose, publicKeyPem } of items)
    if (purpose === "model") await write(`${id}.pem`, publicKeyPem);
  return files;
}
