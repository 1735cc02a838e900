import type { Command } from "commander";
import { waitForJob } from "../client/jobs.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";

interface Profiled {
  readonly profile: string;
  readonly columns: number;
  readonly skipped: readonly string[];
}

export function registerProfile(model: Command, contextOf: ContextOf): void {
  model
    .command("profile <name> <version>")
    .description(
      "Make the reference profile that drift is counted against; trained versions get theirs by themselves",
    )
    .option("--reference <id>", "training set that holds the model's inputs (default: the version's own)")
    .addHelpText("after", "\nExample:\n  portolan model profile churn 1 --reference ts_01m8…")
    .action(async (name: string, version: string, options: { reference?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const body = options.reference === undefined ? {} : { trainingSetId: options.reference };
      const path = `${versionPath(name, version)}/reference-profile`;
      const { job } = await api.json<{ job: string }>({ path, body });
      using bar = progressBar(context.output, "profile");
      const result = await waitForJob<Profiled>(api, job, bar.update);
      const skipped = result.skipped.map((one) => `not counted: ${one}`);
      context.output.result(result, [`${result.columns} columns, ${result.profile}`, ...skipped].join("\n"));
    });
}
