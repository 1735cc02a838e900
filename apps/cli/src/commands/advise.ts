import type { FollowedRecommendation, RecommendationList } from "@portolan/advice/contract";
import type { Command } from "commander";
import { adviceText, recommendationText } from "../advice/advice-text.ts";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";

/** What could cost less. */
export function registerAdviseCommands(program: Command, contextOf: ContextOf): void {
  const advise = program
    .command("advise")
    .description(
      "What could cost less: each with its evidence, what it saves in a month, and the command that does it; and what those that were followed have saved",
    )
    .option("--all", "dismissed ones and those that were followed in full, too")
    .addHelpText(
      "after",
      `
Examples:
  portolan advise
  portolan advise --all --json
  portolan advise dismiss adv_… --reason "kept warm for the sale in December"`,
    )
    .action(async (options: { readonly all?: boolean }, command: Command) => {
      const context = contextOf(command);
      const list = await (await connect(context)).json<RecommendationList>({ path: "/v1/recommendations" });
      context.output.result(list, adviceText(list, options.all === true));
    });
  advise
    .command("dismiss <recommendation>")
    .description("Say why one is not followed; it is out of the list and of the total from then on")
    .requiredOption("--reason <text>", "why, for the record")
    .addHelpText(
      "after",
      '\nExample:\n  portolan advise dismiss adv_3f… --reason "kept warm for the sale in December"',
    )
    .action(async (id: string, options: { readonly reason: string }, command: Command) => {
      const context = contextOf(command);
      const dismissed = await (await connect(context)).json<FollowedRecommendation>({
        path: `/v1/recommendations/${encodeURIComponent(id)}/dismissal`,
        body: { reason: options.reason },
      });
      context.output.result(dismissed, recommendationText(dismissed));
    });
}
