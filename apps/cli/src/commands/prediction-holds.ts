import type { HoldView } from "@portolan/predictions";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface HoldOptions {
  readonly environment: string;
  readonly useCase?: string;
  readonly endpoint?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason: string;
}

export function registerHoldCommands(predictions: Command, contextOf: ContextOf): void {
  predictions
    .command("hold")
    .description("Place a legal hold: what it covers is neither erased nor expires")
    .requiredOption("--environment <name>", "dev, staging or production")
    .option("--use-case <id>", "only this use case (uc_…)")
    .option("--endpoint <name>", "only this endpoint")
    .option("--from <instant>", "arrived at or after (RFC 3339)")
    .option("--to <instant>", "arrived at or before (RFC 3339)")
    .requiredOption("--reason <text>", "goes on the ledger")
    .addHelpText(
      "after",
      '\nExample:\n  portolan predictions hold --environment production --endpoint churn --reason "claim 4711"',
    )
    .action(async (options: HoldOptions, command: Command) => {
      const context = contextOf(command);
      const { useCase, ...rest } = options;
      const body = { ...rest, ...(useCase === undefined ? {} : { useCaseId: useCase }) };
      const hold = await (await connect(context)).json<HoldView>({ path: "/v1/prediction-holds", body });
      context.output.result(hold, `${hold.id} is in force`);
    });

  predictions
    .command("holds")
    .description("Legal holds, newest first")
    .addHelpText("after", "\nExample:\n  portolan predictions holds")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { holds } = await (await connect(context)).json<{ holds: readonly HoldView[] }>({
        path: "/v1/prediction-holds",
      });
      context.output.result(
        { holds },
        table(["id", "environment", "covers", "reason", "placed", "released"], holds.map(rowOf)),
      );
    });

  predictions
    .command("release <hold>")
    .description("Release a legal hold; what it kept beyond its time goes with the next round of retention")
    .requiredOption("--reason <text>", "goes on the ledger")
    .addHelpText("after", '\nExample:\n  portolan predictions release hld_… --reason "claim 4711 is settled"')
    .action(async (id: string, options: { reason: string }, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/prediction-holds/${encodeURIComponent(id)}/release`;
      const hold = await (await connect(context)).json<HoldView>({ path, body: { reason: options.reason } });
      context.output.result(hold, `${hold.id} is released`);
    });
}

function rowOf(hold: HoldView): string[] {
  const covers = [
    hold.useCaseId,
    hold.endpoint,
    hold.from && `from ${hold.from}`,
    hold.to && `to ${hold.to}`,
  ];
  return [
    hold.id,
    hold.environment,
    covers.filter(Boolean).join(", ") || "everything",
    hold.reason,
    hold.placedAt,
    hold.releasedAt ?? "-",
  ];
}
