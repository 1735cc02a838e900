import type { DatasetManifest } from "@portolan/data/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerDatasets(data: Command, contextOf: ContextOf): void {
  data
    .command("datasets [contract]")
    .description("Published snapshots that you may read, newest first, at most 200")
    .addHelpText("after", "\nExamples:\n  portolan data datasets\n  portolan data datasets flights")
    .action(async (contract: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const query = contract === undefined ? "" : `?${new URLSearchParams({ contract }).toString()}`;
      const found = await (await connect(context)).json<{ datasets: readonly DatasetManifest[] }>({
        path: `/v1/datasets${query}`,
      });
      context.output.result(found, listText(found.datasets));
    });
}

function listText(datasets: readonly DatasetManifest[]): string {
  if (datasets.length === 0) return "no dataset that you may read; portolan data ingest makes one";
  const rows = datasets.map((one) => [
    one.id,
    one.contract,
    one.environment,
    String(one.rowCount),
    String(one.columns.length),
    formatInstant(asEpochMicros(one.publishedAt)),
  ]);
  return table(["dataset", "contract", "environment", "rows", "columns", "published"], rows);
}
