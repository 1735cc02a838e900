import type { ContractSummary, ContractView } from "@portolan/data/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { allPages } from "../client/all-pages.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

/** What the server has. */
export function registerPublishedContracts(contract: Command, contextOf: ContextOf): void {
  contract
    .command("list")
    .description("Contracts that are published and that you may read, by name, each in its newest version")
    .addHelpText("after", "\nExample:\n  portolan contract list")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const contracts = await allPages(
        await connect(context),
        "/v1/contracts",
        "after",
        (page: { readonly contracts: readonly ContractSummary[]; readonly next?: string }) => page.contracts,
      );
      context.output.result({ contracts }, listText(contracts));
    });
  contract
    .command("show <name>")
    .description("The document of a published contract")
    .option("--of <version>", "a version of it (default: the newest)")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan contract show flights\n  portolan contract show flights --of 1.0.0 > before.odcs.yaml",
    )
    .action(async (name: string, options: { of?: string }, command: Command) => {
      const context = contextOf(command);
      const query =
        options.of === undefined ? "" : `?${new URLSearchParams({ version: options.of }).toString()}`;
      const found = await (await connect(context)).json<ContractView>({
        path: `/v1/contracts/${encodeURIComponent(name)}${query}`,
      });
      context.output.result(found, found.document.trimEnd());
    });
}

function listText(contracts: readonly ContractSummary[]): string {
  if (contracts.length === 0)
    return "no contract is published that you may read; portolan apply publishes some";
  const rows = contracts.map((one) => [
    one.name,
    one.version,
    String(one.columns),
    formatInstant(asEpochMicros(one.publishedAt)),
    one.publishedBy,
  ]);
  return table(["contract", "newest", "columns", "published", "by"], rows);
}
