import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface Hold {
  readonly id: string;
  readonly environment: string;
  readonly contract?: string;
  readonly useCaseId?: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly placedAt: number;
  readonly releasedAt?: number;
}

/** Legal holds on data: what they cover is neither erased nor removed by retention. */
export function registerDataHolds(data: Command, contextOf: ContextOf): void {
  data
    .command("hold")
    .description("Place a legal hold: what it covers is neither erased nor removed by retention")
    .requiredOption("--environment <name>", "dev, staging or production")
    .requiredOption("--reason <text>", "goes on the ledger")
    .option("--contract <name>", "only data of this contract")
    .option("--use-case <id>", "only data of this use case")
    .addHelpText(
      "after",
      '\nExample:\n  portolan data hold --environment production --contract claims --reason "claim 4711"',
    )
    .action(
      async (
        { useCase, ...scope }: { environment: string; reason: string; contract?: string; useCase?: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const body = { ...scope, ...(useCase === undefined ? {} : { useCaseId: useCase }) };
        const hold = await (await connect(context)).json<Hold>({ path: "/v1/data-holds", body });
        context.output.result(hold, `${hold.id} holds ${covered(hold)}`);
      },
    );
  data
    .command("holds")
    .description("Legal holds on data, newest first")
    .addHelpText("after", "\nExample:\n  portolan data holds")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<{ holds: readonly Hold[] }>({
        path: "/v1/data-holds",
      });
      const rows = found.holds.map((hold) => [
        hold.id,
        covered(hold),
        hold.reason,
        formatInstant(asEpochMicros(hold.placedAt)),
        hold.releasedAt === undefined ? "in force" : formatInstant(asEpochMicros(hold.releasedAt)),
      ]);
      context.output.result(found, table(["hold", "covers", "reason", "placed", "released"], rows));
    });
  data
    .command("release <hold>")
    .description("Release a legal hold on data")
    .requiredOption("--reason <text>", "goes on the ledger")
    .addHelpText("after", '\nExample:\n  portolan data release hld_… --reason "claim 4711 is settled"')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/data-holds/${encodeURIComponent(id)}/release`;
      const hold = await (await connect(context)).json<Hold>({ path, body: { reason } });
      context.output.result(hold, `${hold.id} is released`);
    });
}

function covered({ environment, contract, useCaseId }: Hold): string {
  const parts = [contract ?? "all data", ...(useCaseId === undefined ? [] : [`of ${useCaseId}`])];
  return `${parts.join(" ")} in ${environment}`;
}
