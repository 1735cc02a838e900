import { asEpochMicros, formatInstant, PortolanError } from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { Command } from "commander";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { registerHoldCommands } from "./prediction-holds.ts";
import { registerReplayCommand } from "./prediction-replay.ts";

export function registerPredictionsCommands(program: Command, contextOf: ContextOf): void {
  const predictions = program
    .command("predictions")
    .description("The prediction log: search, read, erase, hold and replay records")
    .addHelpText("after", "\nExample:\n  portolan predictions list --endpoint churn");
  registerList(predictions, contextOf);
  registerShow(predictions, contextOf);
  registerErase(predictions, contextOf);
  registerHoldCommands(predictions, contextOf);
  registerReplayCommand(predictions, contextOf);
}

type Listed = Pick<StoredPrediction, "header" | "withheld">;

interface ListOptions {
  readonly useCase?: string;
  readonly endpoint?: string;
  readonly modelVersion?: string;
  readonly variant?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly cursor?: string;
}

function registerList(predictions: Command, contextOf: ContextOf): void {
  predictions
    .command("list")
    .description("Records, newest first; a page ends with a block and may hold more than the limit")
    .option("--use-case <name>", "of this use case (needed by those who hold their roles in a team)")
    .option("--endpoint <name>", "of this endpoint")
    .option("--model-version <version>", "answered by this version")
    .option("--variant <variant>", "champion, canary, shadow or fallback")
    .option("--from <instant>", "arrived at or after (RFC 3339)")
    .option("--to <instant>", "arrived at or before (RFC 3339)")
    .option("--limit <count>", "about this many", "50")
    .option("--cursor <text>", "`next` of the page before")
    .addHelpText("after", "\nExample:\n  portolan predictions list --endpoint churn --limit 10")
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const { useCase, ...rest } = options;
      const query = new URLSearchParams(Object.entries(rest));
      const api = await connect(context);
      if (useCase !== undefined) query.set("useCaseId", (await findUseCase(api, useCase)).id);
      const page = await api.json<{
        predictions: readonly Listed[];
        next?: string;
      }>({ path: `/v1/predictions?${query.toString()}` });
      context.output.result(
        page,
        table(
          ["id", "received", "endpoint", "version", "status", "micros", "payload"],
          page.predictions.map(rowOf),
        ),
      );
      if (page.next !== undefined) context.output.note(`more: --cursor ${page.next}`);
    });
}

function rowOf({ header, withheld }: Listed): string[] {
  const { context, status } = header;
  return [
    header.id,
    formatInstant(asEpochMicros(header.receivedAt)),
    context.endpoint,
    context.model?.version ?? "-",
    statusText(status),
    String(header.latency.totalMicros),
    withheld ?? "kept",
  ];
}

function statusText(status: Listed["header"]["status"]): string {
  if (status.kind === "ok") return "ok";
  if (status.kind === "read") return `features read: ${status.requests} times, ${status.entities} entities`;
  return `${status.httpStatus} ${status.reason}`;
}

function registerShow(predictions: Command, contextOf: ContextOf): void {
  predictions
    .command("show <id>")
    .description("One record with inputs and outputs, as far as they are kept")
    .addHelpText("after", "\nExample:\n  portolan predictions show prd_… && portolan audit prove prd_…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/predictions/${encodeURIComponent(id)}`;
      const found = await (await connect(context)).json<StoredPrediction>({ path });
      context.output.result(found, JSON.stringify(found, null, 2));
    });
}

interface EraseOptions {
  readonly subject?: string;
  readonly column?: readonly string[];
  readonly reason: string;
}

function registerErase(predictions: Command, contextOf: ContextOf): void {
  predictions
    .command("erase [ids...]")
    .description("Destroy inputs, features and outputs of records; headers and proofs stay")
    .option("--subject <key>", "instead of ids: all records of this data subject, as callers named it")
    .option(
      "--column <names...>",
      "with --subject: inputs that name data subjects; requests in which one of them has the key, too",
    )
    .requiredOption("--reason <text>", "goes on the ledger")
    .addHelpText(
      "after",
      '\nExample:\n  portolan predictions erase --subject customer-17 --reason "asked for by the person"',
    )
    .action(async (ids: string[], options: EraseOptions, command: Command) => {
      const context = contextOf(command);
      const { subject, column, reason } = options;
      if ((subject === undefined) === (ids.length === 0) || (column && subject === undefined)) {
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: "name either ids or a subject",
          mend: "portolan predictions erase prd_… --reason … , or --subject <key>",
        });
      }
      const select =
        subject === undefined
          ? { predictionIds: ids }
          : { subject, ...(column === undefined ? {} : { columns: column }) };
      const done = await (await connect(context)).json<{ erased: number; erasureId: string }>({
        path: "/v1/prediction-erasures",
        body: { select, reason },
        timeoutMs: 600_000,
      });
      context.output.result(done, `erased the payloads of ${done.erased} predictions (${done.erasureId})`);
    });
}
