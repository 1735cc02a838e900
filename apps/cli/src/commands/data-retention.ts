import type { ExpiredView, RetentionRound } from "@portolan/data/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerRetention(data: Command, contextOf: ContextOf): void {
  data
    .command("retention")
    .description(
      "Data that is older than its contract keeps it: what would go, or with --apply at once what the next hourly round would remove",
    )
    .option("--apply", "remove it now")
    .addHelpText("after", "\nExamples:\n  portolan data retention\n  portolan data retention --apply --json")
    .action(async ({ apply = false }: { apply?: boolean }, command: Command) => {
      const context = contextOf(command);
      const round = await (await connect(context)).json<RetentionRound>({
        path: "/v1/data-retention",
        body: { dryRun: !apply },
      });
      const rows = round.expired.map(({ kind, id, contract, environment, since, heldBy }) => [
        kind === "dataset" ? "dataset" : "rows kept out, and sources",
        id,
        contract,
        environment,
        formatInstant(asEpochMicros(since)),
        heldBy.length > 0 ? `held by ${heldBy.join(", ")}` : apply ? "removed" : "would go",
      ]);
      context.output.result(
        round,
        rows.length === 0
          ? "no data is older than its contract keeps it"
          : table(["what", "id", "contract", "environment", "since", "fate"], rows),
      );
    });
}

export function registerExpire(data: Command, contextOf: ContextOf): void {
  data
    .command("expire <datasets...>")
    .description(
      "Remove snapshots before their contract does, such as copies of another one; models, training sets and scores that were made of them stay, and legal holds keep what they cover",
    )
    .requiredOption("--reason <text>", "why, for the record")
    .addHelpText(
      "after",
      '\nExample:\n  portolan data expire ds_01m8… --reason "the same source as ds_01m7…"',
    )
    .action(async (datasets: readonly string[], { reason }: { reason: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const expired: ExpiredView[] = [];
      // One after the other: where one is refused, those before it have gone, and are said.
      for (const id of datasets) {
        const one = await api.json<ExpiredView>({
          path: `/v1/datasets/${encodeURIComponent(id)}/expiry`,
          body: { reason },
        });
        context.output.note(`${id} of ${one.contract} (${one.environment}) is removed`);
        expired.push(one);
      }
      context.output.result(
        { expired },
        `${expired.length} removed; their ids still answer what they were, without rows`,
      );
    });
}
