import type { Command } from "commander";
import { badUsage } from "./read-input.ts";

/** `production/churn`, as commands print where an endpoint is. */
const place = /^(dev|staging|production)\/([^/]+)$/;

/**
 * Where a command takes an endpoint and `--environment`, what others print is taken as it stands: `production/churn` is the endpoint churn there.
 *
 * @throws PortolanError `cli.bad_usage` when `--environment` says another one
 */
export function readEndpointPlace(command: Command): void {
  const at = command.registeredArguments.findIndex((argument) => argument.name() === "endpoint");
  const given: unknown = command.processedArgs[at];
  const [, environment, endpoint] = (typeof given === "string" && place.exec(given)) || [];
  if (environment === undefined || !command.options.some(({ long }) => long === "--environment")) return;
  const stated =
    command.getOptionValueSource("environment") === "cli" ? command.getOptionValue("environment") : undefined;
  if (stated !== undefined && stated !== environment)
    throw badUsage(
      `${String(given)} is in ${environment}, and --environment says ${String(stated).slice(0, 40)}`,
      "Say the environment once.",
    );
  command.setOptionValueWithSource("environment", environment, "cli");
  command.processedArgs[at] = endpoint;
}
