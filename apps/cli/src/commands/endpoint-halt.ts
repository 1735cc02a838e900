import type { Halt, Resumption } from "@portolan/serving/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";

interface HaltOptions {
  readonly environment: string;
  readonly reason: string;
}

/** The kill switch of an endpoint, and the way back. */
export function registerHaltCommands(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("halt <endpoint>")
    .description("Stop an endpoint at once: no gateway answers for it until it is resumed")
    .requiredOption("--reason <text>", "why, for the record")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText(
      "after",
      '\nExample:\n  portolan endpoint halt churn --reason "scores people without a contract" --as lee',
    )
    .action(async (name: string, options: HaltOptions, command: Command) => {
      const context = contextOf(command);
      const halt = await post<Halt>(command, contextOf, name, "halt", options);
      context.output.result(
        halt,
        `${name} is halted in ${halt.environment} from snapshot ${halt.snapshotVersion} on: callers get 503. Requests under way are answered.\n` +
          `Let it go on with: portolan endpoint resume ${name} --reason …`,
      );
    });

  endpoint
    .command("resume <endpoint>")
    .description(
      "Let a halted endpoint go on with what is deployed there now, or a version in whose place its fallback answers for an alert",
    )
    .requiredOption("--reason <text>", "why, for the record")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText("after", '\nExample:\n  portolan endpoint resume churn --reason "version 3 is out" --as tom')
    .action(async (name: string, options: HaltOptions, command: Command) => {
      const context = contextOf(command);
      const resumption = await post<Resumption>(command, contextOf, name, "resume", options);
      context.output.result(
        resumption,
        `${name} goes on in ${resumption.environment} from snapshot ${resumption.snapshotVersion} on`,
      );
    });
}

async function post<T>(
  command: Command,
  contextOf: ContextOf,
  name: string,
  what: "halt" | "resume",
  { environment, reason }: HaltOptions,
): Promise<T> {
  const api = await connect(contextOf(command));
  return api.json<T>({
    method: "POST",
    path: `/v1/endpoints/${encodeURIComponent(name)}/${what}`,
    body: { environment, reason },
  });
}
