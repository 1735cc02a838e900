import { resolve } from "node:path";
import { formatInstant, PortolanError, systemClock } from "@portolan/kernel";
import type { Command } from "commander";
import { ApiClient } from "../client/api-client.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { readRunState } from "../supervisor/state-file.ts";

interface PredictOptions {
  readonly data?: string;
  readonly file?: string;
  readonly purpose?: string;
  readonly environment?: string;
}

export function registerPredictionCommands(program: Command, contextOf: ContextOf): void {
  program
    .command("predict <endpoint>")
    .description("Ask an endpoint for a prediction (Open Inference Protocol v2)")
    .option("--data <json>", "the request body")
    .option("--file <file>", "read the request body from a file")
    .option("--purpose <purpose>", "purpose of use, where the charter asks for one")
    .option("--environment <name>", "where the endpoint is, for credentials of several environments")
    .addHelpText(
      "after",
      `\nExample:\n  portolan predict churn --as shop --data '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'`,
    )
    .action(async (endpoint: string, options: PredictOptions, command: Command) => {
      const context = contextOf(command);
      const gateway = await connectGateway(context);
      const { value, headers } = await gateway.answer<object>({
        path: `/v2/models/${encodeURIComponent(endpoint)}/infer`,
        body: await requestBody(context, options),
        headers: callHeaders(options),
      });
      const predictionId = headers.get("x-portolan-prediction-id") ?? undefined;
      context.output.result({ ...value, predictionId }, JSON.stringify(value, null, 2));
      if (predictionId !== undefined)
        context.output.note(`on the record as ${predictionId}: portolan outcome ${predictionId} <value>`);
    });

  program
    .command("outcome <predictionId> <value>")
    .description("Report what really happened after a prediction; the same report again changes nothing")
    .option("--at <instant>", "when it was observed (RFC 3339)")
    .addHelpText("after", "\nExample:\n  portolan outcome prd_… true --as dispatch")
    .action(async (predictionId: string, value: string, options: { at?: string }, command: Command) => {
      const context = contextOf(command);
      const observedAt = options.at ?? formatInstant(systemClock.now());
      const report = await (await connect(context)).json<{ stored: number; conflicts: readonly string[] }>({
        path: "/v1/outcomes",
        body: { outcomes: [{ predictionId, outcome: parseOutcome(value), observedAt }] },
      });
      if (report.conflicts.length > 0) process.exitCode = 1;
      context.output.result(
        report,
        report.conflicts.length > 0 ? "refused: another outcome is on the record" : "recorded",
      );
    });
}

/** A client for the gateway, with the same credential as for control: both verify the same tokens. */
export async function connectGateway(context: CliContext, persona = context.persona): Promise<ApiClient> {
  const { PORTOLAN_GATEWAY_URL: url, PORTOLAN_TOKEN: token } = context.env;
  if (url !== undefined) return new ApiClient({ url, token: token ?? "" });
  const control = await connect(context, persona);
  const state = readRunState(context.home);
  return new ApiClient({ url: state?.gatewayUrl ?? control.url, token: control.token });
}

/** What a call to the gateway states in headers. */
export function callHeaders({
  purpose,
  environment,
}: Pick<PredictOptions, "purpose" | "environment">): Record<string, string> {
  return {
    ...(purpose === undefined ? {} : { "x-portolan-purpose": purpose }),
    ...(environment === undefined ? {} : { "x-portolan-environment": environment }),
  };
}

async function requestBody(context: CliContext, options: PredictOptions): Promise<unknown> {
  const text =
    options.data ??
    (options.file === undefined ? undefined : (await readText(resolve(context.cwd, options.file))).text);
  if (text === undefined) {
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "there is nothing to send",
      mend: "Give --data or --file.",
    });
  }
  return parseJson(text);
}

function parseOutcome(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // a plain word is a label
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: "the request body is not JSON",
      mend: "Check its quotes and commas.",
      cause,
    });
  }
}
