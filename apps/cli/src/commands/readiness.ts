import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ReadinessDocument } from "@portolan/planner/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { readinessPage } from "../readiness/readiness-page.ts";
import { readinessText } from "../readiness/readiness-text.ts";

interface ReadinessOptions {
  readonly all?: boolean;
  readonly html?: string;
}

const help = `
Nothing is asked: each score is from records of the environments that you may read. What is missing is named with its effort and the command
that mends it. The exit code is 0 whatever the score.

Examples:
  portolan readiness flight-delays                          scores, what is missing, anti-patterns
  portolan readiness flight-delays --all                    evidence and roadmaps too
  portolan readiness flight-delays --html readiness.html`;

/** How far a use case is from production. */
export function registerReadinessCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("readiness <use-case>")
    .description(
      "How far a use case is from production: eight dimensions scored from evidence, and what is missing",
    )
    .option("--all", "evidence of each check and the roadmaps, too")
    .option("--html <file>", "write a page with a picture, without scripts")
    .addHelpText("after", help)
    .action(async (useCase: string, options: ReadinessOptions, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/use-cases/${encodeURIComponent(useCase)}/readiness`;
      const judged = await (await connect(context)).json<ReadinessDocument>({ path });
      if (options.html === undefined) {
        context.output.result(judged, readinessText(judged, options.all === true));
        return;
      }
      const file = resolve(context.cwd, options.html);
      await writeFile(file, readinessPage(judged));
      context.output.result({ file, score: judged.score }, `Readiness written to ${file}`);
    });
}
