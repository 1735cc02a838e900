import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import { Command, CommanderError } from "commander";
import { groupsFor } from "./command-groups.ts";
import { type CliContext, type CliEnvironment, homeOf } from "./context.ts";
import { readEndpointPlace } from "./endpoint-place.ts";
import type { CliErrorCode } from "./errors.ts";
import { Output, type OutputStreams } from "./output.ts";

export interface CliRun {
  readonly environment: CliEnvironment;
  readonly streams: OutputStreams;
}

/** Makes the context of one command from the options that every command knows. */
export type ContextOf = (command: Command) => CliContext;

/** Runs one command line; resolves to the exit code: 0 done, 1 failed, 2 not understood. */
export async function runCli(args: readonly string[], run: CliRun): Promise<number> {
  try {
    const program = await createProgram(run, args);
    await program.parseAsync([...args], { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    const output = new Output(run.streams, args.includes("--json"));
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (output.isJson) output.error(misunderstood(error));
      return 2;
    }
    output.error(error);
    return 1;
  }
}

const firstSteps = `
Examples:
  portolan doctor                                 what this machine can do
  portolan demo                                   the whole road on real data
  portolan init churn && portolan plan churn      a use case of your own; docs/getting-started.md goes on
  portolan <command> --help                       options and an example of each command`;

function versionOf(root: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}

/** Commander has told people already, on standard error; scripts get the same as a document. */
function misunderstood(error: CommanderError): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: error.message
      .replace(/^error: /, "")
      .split("\n")
      .join(" "),
    mend: "See the commands with: portolan --help",
  });
}

/** The program with the commands that `args` may mean; without `args` with all of them. */
export async function createProgram(run: CliRun, args: readonly string[] = []): Promise<Command> {
  const program = new Command("portolan")
    .description("From proof of concept to governed production: one charter, enforced.")
    .option("--home <folder>", "state folder (default: PORTOLAN_HOME, else .portolan here)")
    .option("--json", "print one JSON document instead of sentences")
    .option("--as <name>", "act as this person or service account of a development installation", "admin")
    .configureOutput({
      writeOut: (text) => void run.streams.out.write(text),
      writeErr: (text) => void run.streams.err.write(text),
    })
    .addHelpText("after", firstSteps)
    .showHelpAfterError("(portolan --help shows the commands)")
    .showSuggestionAfterError()
    .hook("preAction", (_program, command) => readEndpointPlace(command))
    .exitOverride();
  const contextOf: ContextOf = (command) => {
    const options = command.optsWithGlobals<{ home?: string; json?: boolean; as: string }>();
    return {
      ...run.environment,
      output: new Output(run.streams, options.json === true),
      home: homeOf(run.environment, options.home),
      persona: options.as,
    };
  };
  const { operands, unknown } = program.parseOptions([...args]);
  const isVersion = operands.length === 0 && /^(-V|--version)$/.test(unknown[0] ?? "");
  // A program's own options count behind its commands, too: there --version is the command's, such as that of an endpoint.
  if (operands.length === 0 || operands[0] === "help")
    program.version(`portolan ${versionOf(run.environment.root)}`, "-V, --version", "print the version");
  for (const group of isVersion ? [] : groupsFor(operands[0])) (await group.load())(program, contextOf);
  return program;
}
