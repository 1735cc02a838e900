import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { VersionRecord } from "@portolan/registry/contract";
import { modelBom } from "@portolan/registry/policy";
import type { Command } from "commander";
import { versionPath } from "../client/version-path.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { modelCard } from "../provenance/model-card.ts";
import { modelCardPage } from "../provenance/model-card-page.ts";

interface OutOption {
  readonly out?: string;
}

/** Documents that are made of a version's record. */
export function registerDocuments(model: Command, contextOf: ContextOf): void {
  registerBom(model, contextOf);
  registerCard(model, contextOf);
}

function registerBom(model: Command, contextOf: ContextOf): void {
  model
    .command("bom <name> <version>")
    .description("Bill of materials of a version: CycloneDX 1.6 with model card, data and pinned packages")
    .option("--out <file>", "write it there")
    .addHelpText("after", "\nExample:\n  portolan model bom flight-delays 1 --out model.cdx.json")
    .action(async (name: string, version: string, { out }: OutOption, command: Command) => {
      const context = contextOf(command);
      const bom = modelBom(await recordOf(context, name, version));
      await give(context, bom, JSON.stringify(bom, null, 2), out);
    });
}

function registerCard(model: Command, contextOf: ContextOf): void {
  model
    .command("card <name> <version>")
    .description("Model card of a version, from its record: use, limits, data, metrics, evidence")
    .option("--format <format>", "html or json", "html")
    .option("--out <file>", "write it there")
    .addHelpText("after", "\nExample:\n  portolan model card flight-delays 1 --format html --out card.html")
    .action(
      async (name: string, version: string, options: OutOption & { format: string }, command: Command) => {
        const context = contextOf(command);
        const { format, out } = options;
        if (format !== "html" && format !== "json")
          throw new PortolanError<CliErrorCode>("cli.bad_usage", {
            detail: `a card is not written as ${format}`,
            mend: "Give --format html or --format json.",
          });
        const card = modelCard(await recordOf(context, name, version));
        const isJson = format === "json" || context.output.isJson;
        await give(
          context,
          card,
          isJson ? JSON.stringify(card, null, 2) : modelCardPage(card).trimEnd(),
          out,
        );
      },
    );
}

async function recordOf(context: CliContext, name: string, version: string): Promise<VersionRecord> {
  const api = await connect(context);
  return api.json<VersionRecord>({ path: `${versionPath(name, version)}/record` });
}

/** To a file as it is; else printed, where what strangers wrote cannot command the terminal. */
async function give(
  context: CliContext,
  value: unknown,
  document: string,
  out: string | undefined,
): Promise<void> {
  if (out === undefined) {
    context.output.result(value, document);
    return;
  }
  await writeFile(resolve(context.cwd, out), `${document}\n`);
  context.output.result({ file: out }, `written to ${out}`);
}
