import type { QueueView } from "@portolan/capacity/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";

/** Deciding about work that asks for more than its charter lets begin by itself. */
export function registerApprovals(job: Command, contextOf: ContextOf): void {
  job
    .command("approve <id>")
    .description("Let a training run (run_…) or scoring (sco_…) begin that awaits approval for its size")
    .addHelpText(
      "after",
      "\nNobody approves what they submitted themselves.\n\nExample:\n  portolan job approve run_01m8…",
    )
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/queue/${encodeURIComponent(id)}/approval`;
      const found = await (await connect(context)).json<QueueView>({ path, body: {} });
      context.output.result(found, `${id} is approved: it ${found.says}`);
    });
  job
    .command("refuse <id>")
    .description("End a training run or scoring that awaits approval for its size, and say why")
    .requiredOption("--reason <text>", "why it may not begin; its submitter reads it")
    .addHelpText(
      "after",
      '\nExample:\n  portolan job refuse run_01m8… --reason "two cards are enough for this data"',
    )
    .action(async (id: string, { reason }: { readonly reason: string }, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/queue/${encodeURIComponent(id)}/refusal`;
      const found = await (await connect(context)).json<QueueView>({ path, body: { reason } });
      context.output.result(found, `${id} was refused: ${reason}`);
    });
}
