import type { QueueView } from "@portolan/capacity/contract";
import { parseDurationMs } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { badUsage } from "../read-input.ts";

/** What people say about work that does next to nothing. */
export function registerIdleWork(job: Command, contextOf: ContextOf): void {
  job
    .command("keep <id>")
    .description("Have a training run (run_…) go on for a while though it does next to nothing")
    .requiredOption("--for <duration>", "from now on, such as 4h; the quotas bound it")
    .requiredOption("--reason <text>", "why it is to go on; the ledger keeps it")
    .addHelpText(
      "after",
      '\nExample:\n  portolan job keep run_01m8… --for 4h --reason "a debugger waits in it"',
    )
    .action(
      async (id: string, options: { readonly for: string; readonly reason: string }, command: Command) => {
        const context = contextOf(command);
        const body = { forSeconds: secondsOf(options.for), reason: options.reason };
        const path = `/v1/queue/${encodeURIComponent(id)}/keep`;
        const found = await (await connect(context)).json<QueueView>({ path, body });
        context.output.result(found, `${id} ${found.says}`);
      },
    );
  job
    .command("resume <id>")
    .description(
      "Have a training run (run_…) wait for its quota again that was stopped because it did nothing",
    )
    .addHelpText(
      "after",
      "\nIt goes on from its checkpoint, once its team's quota has room.\n\nExample:\n  portolan job resume run_01m8…",
    )
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/queue/${encodeURIComponent(id)}/resumption`;
      const found = await (await connect(context)).json<QueueView>({ path, body: {} });
      context.output.result(found, `${id} ${found.says}`);
    });
}

function secondsOf(text: string): number {
  const seconds = Math.round(parseDurationMs(text) / 1000);
  if (seconds >= 1) return seconds;
  throw badUsage(`--for ${text.slice(0, 40)} is shorter than a second`, "Write a duration such as 4h.");
}
