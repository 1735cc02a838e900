import { resolve } from "node:path";
import { formatInstant, PortolanError, systemClock } from "@portolan/kernel";
import type { Command } from "commander";
import { ApiClient } from "../client/api-client.ts";
import { tokenSource } from "../client/token-source.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { readRunState } from "../supervisor/state-file.ts";

interface PredictOptions {
  readonly data?: string;
  readonly file?: string;
  readonly purpose?: string;
  readonly subject?: string;
  readonly environment?: string;
}

export function registerPredictionCommands(program: Command, contextOf: ContextOf): void {
  program
    .command("predict <endpoint>")
    .description("Ask an endpoint for a prediction (Open Inference Protocol v2)")
    .option("--data <json>", "the request body")
    .option("--file <file>", "read the request body from a file")
    .option("--purpose <purpose>", "purpose of use, where the charter asks for one")
    .option("--subject <key>", "whom the request is about: what is recorded is erased by it")
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

  registerOutcome(program, contextOf);
}

interface OutcomeOptions {
  readonly at?: string;
  readonly revision?: string;
  readonly retract?: boolean;
}

function registerOutcome(program: Command, contextOf: ContextOf): void {
  program
    .command("outcome <predictionId> [value]")
    .description("Report what really happened after a prediction; the same report again changes nothing")
    .option("--at <instant>", "when it was observed (RFC 3339)")
    .option(
      "--revision <number>",
      "2 or higher corrects what was reported before: the highest revision counts",
    )
    .option("--retract", "withdraw what was reported before; needs --revision and no value")
    .addHelpText(
      "after",
      `
Examples:
  portolan outcome prd_… true --as dispatch
  portolan outcome prd_… false --revision 2
  portolan outcome prd_… '[0, 2, 0, 1]'        relevances of a ranking's rows
  portolan outcome prd_… --retract --revision 3`,
    )
    .action(
      async (predictionId: string, value: string | undefined, options: OutcomeOptions, command: Command) => {
        const context = contextOf(command);
        const outcome = { predictionId, ...reportedOutcome(value, options) };
        const report = await (await connect(context)).json<{ stored: number; conflicts: readonly string[] }>({
          path: "/v1/outcomes",
          body: { outcomes: [outcome] },
        });
        if (report.conflicts.length > 0) process.exitCode = 1;
        context.output.result(
          report,
          report.conflicts.length > 0
            ? "refused: another outcome is on the record; correct it with a higher --revision"
            : "recorded",
        );
      },
    );
}

/** @throws PortolanError `cli.bad_usage` for neither a value nor a retraction, for both, and for what is no revision */
function reportedOutcome(
  value: string | undefined,
  { at, revision, retract = false }: OutcomeOptions,
): object {
  const bad = (detail: string, mend: string) =>
    new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
  if (retract === (value !== undefined))
    throw bad("an outcome has a value, or --retract", "Name what happened, or withdraw it, not both.");
  if (retract && revision === undefined)
    throw bad("a retraction has a revision", "Give --revision, higher than that of what is withdrawn.");
  if (revision !== undefined && !/^[1-9]\d{0,8}$/.test(revision))
    throw bad(`${revision} is no revision`, "Write a whole number from 1 on.");
  return {
    observedAt: at ?? formatInstant(systemClock.now()),
    ...(value === undefined ? { retracted: true } : { outcome: parseOutcome(value) }),
    ...(revision === undefined ? {} : { revision: Number(revision) }),
  };
}

/** A client for the gateway, with the same credential as for control: both verify the same tokens. */
export async function connectGateway(context: CliContext, persona = context.persona): Promise<ApiClient> {
  const { PORTOLAN_GATEWAY_URL: url } = context.env;
  if (url !== undefined) return new ApiClient({ url, token: tokenSource(context.env) });
  const control = await connect(context, persona);
  const state = readRunState(context.home);
  return new ApiClient({ url: state?.gatewayUrl ?? control.url, token: () => control.token() });
}

/** What a call to the gateway states in headers. */
export function callHeaders({
  purpose,
  subject,
  environment,
}: Pick<PredictOptions, "purpose" | "subject" | "environment">): Record<string, string> {
  return {
    ...(purpose === undefined ? {} : { "x-portolan-purpose": purpose }),
    ...(subject === undefined ? {} : { "x-portolan-subject": subject }),
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
