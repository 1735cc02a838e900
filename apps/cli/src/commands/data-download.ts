import { resolve } from "node:path";
import { PortolanError, parseDigest } from "@portolan/kernel";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";

const longestMs = 30 * 60_000;

/** `portolan data download`: all rows as the file that they are, where the policies on data keep nothing back. */
export function registerDataDownload(data: Command, contextOf: ContextOf): void {
  data
    .command("download <rows>")
    .description(
      "Download a dataset, a training set or a scored snapshot whole, where the policies on data allow all of it",
    )
    .requiredOption("--purpose <name>", "what the data are read for")
    .requiredOption("--out <file>", "Parquet file to write")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan data download ts_… --purpose readmission --out set.parquet\n  portolan data download sha256:… --purpose readmission --out quarantine.parquet",
    )
    .action(async (named: string, { purpose, out }: { purpose: string; out: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const digest = await digestOf(api, named);
      const query = new URLSearchParams({ purpose }).toString();
      const file = resolve(context.cwd, out);
      const request = { path: `/v1/artifacts/${digest}?${query}`, timeoutMs: longestMs };
      const sizeBytes = await api.download(request, file);
      context.output.result({ file, digest, sizeBytes }, `${file}: ${sizeBytes} bytes, ${digest}`);
    });
}

/** What an id names today: an erasure leaves other bytes under it. */
async function digestOf(api: ApiClient, named: string): Promise<string> {
  if (parseDigest(named)) return named;
  const id = encodeURIComponent(named);
  if (named.startsWith("ds_"))
    return (await api.json<{ object: string }>({ path: `/v1/datasets/${id}` })).object;
  const path = named.startsWith("ts_") ? "training-sets" : named.startsWith("sco_") ? "scorings" : undefined;
  if (path === undefined)
    throw badUsage(`${named} is no ds_…, ts_…, sco_… or sha256:…`, "Name rows by their id.");
  const { manifest } = await api.json<{ manifest?: { object: string } }>({ path: `/v1/${path}/${id}` });
  if (!manifest) throw badUsage(`${named} is not ready`, "Wait for it.");
  return manifest.object;
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend });
}
