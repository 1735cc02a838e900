import { resolve } from "node:path";
import { PortolanError, parseInstant } from "@portolan/kernel";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import type { Ingestion } from "../client/ingestions.ts";
import { waitForIngestion } from "../client/ingestions.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { registerDataAccess } from "./data-access.ts";
import { registerDatasets } from "./data-datasets.ts";
import { registerDeidentify } from "./data-deidentify.ts";
import { registerDataDownload } from "./data-download.ts";
import { registerErase } from "./data-erase.ts";
import { registerDataHolds } from "./data-holds.ts";
import { registerExpire, registerRetention } from "./data-retention.ts";
import { registerSubscriptionCommands, type Subscription, subscriptionText } from "./subscriptions.ts";

export function registerDataCommands(program: Command, contextOf: ContextOf): void {
  const data = program
    .command("data")
    .description(
      "Bring data in under its contract, see what was kept out, judge it again, erase what is known of somebody",
    )
    .addHelpText(
      "after",
      "\nA trial without storing anything: portolan contract test\n\nExamples:\n  portolan data ingest flights.parquet --contract flights\n  portolan data quarantine ing_…\n  portolan data replay ing_…",
    );
  registerIngest(data, contextOf);
  registerDatasets(data, contextOf);
  registerShow(data, contextOf);
  registerQuarantine(data, contextOf);
  registerReplay(data, contextOf);
  registerNotices(data, contextOf);
  registerSubscriptionCommands(data, contextOf);
  registerDeidentify(data, contextOf);
  registerDataAccess(data, contextOf);
  registerDataDownload(data, contextOf);
  registerErase(data, contextOf);
  registerDataHolds(data, contextOf);
  registerRetention(data, contextOf);
  registerExpire(data, contextOf);
}

interface IngestOptions {
  readonly connection?: string;
  readonly table?: readonly string[];
  readonly contract: string;
  readonly contractVersion?: string;
  readonly environment: string;
  readonly useCase?: string;
  readonly asOf?: string;
  readonly detach?: boolean;
}

function registerIngest(data: Command, contextOf: ContextOf): void {
  data
    .command("ingest [files...]")
    .description(
      "Ingest files that the server can read, or tables of a database, as one batch, and wait for its end (exit code 1 when nothing was published)",
    )
    .option("--connection <name>", "the operator's connection that has the tables")
    .option("--table <names...>", "tables or views of it, schema.name")
    .requiredOption("--contract <name>", "the contract that the rows come under")
    .option("--contract-version <version>", "a version of it (default: the newest)")
    .option("--environment <name>", "dev, staging or production", "dev")
    .option("--use-case <name>", "use case that the data belongs to")
    .option("--as-of <instant>", "when freshness is judged, RFC 3339 (default: now)")
    .option("--detach", "do not wait for the end")
    .addHelpText(
      "after",
      "\nFiles lie in a folder that the server may read (SOURCE_FOLDERS, or inbox/ in its state folder).\n\nExample:\n  portolan data ingest .portolan/inbox/flights.parquet --contract flights --use-case flight-delays --json\n  portolan data ingest --connection warehouse --table public.flights --contract flights",
    )
    .action(async (files: readonly string[], options: IngestOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const body = {
        contract: options.contract,
        environment: options.environment,
        sources: sourcesOf(context.cwd, files, options),
        ...(options.contractVersion === undefined ? {} : { version: options.contractVersion }),
        ...(options.useCase === undefined ? {} : { useCaseId: options.useCase }),
        ...(options.asOf === undefined ? {} : { asOf: parseInstant(options.asOf) }),
      };
      const started = await api.json<Ingestion>({ path: "/v1/ingestions", body });
      await tellEnd(contextOf, command, api, started, options.detach === true);
    });
}

function sourcesOf(cwd: string, files: readonly string[], { connection, table: tables }: IngestOptions) {
  if (files.length === 0 && tables === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "there is nothing to ingest",
      mend: "Name files, or tables with --connection and --table.",
    });
  if ((tables === undefined) !== (connection === undefined))
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "--table and --connection go together",
      mend: "Give both, or files.",
    });
  return [
    ...files.map((file) => ({ path: resolve(cwd, file) })),
    ...(tables ?? []).map((relation) => ({ connection, relation })),
  ];
}

async function tellEnd(
  contextOf: ContextOf,
  command: Command,
  api: ApiClient,
  started: Ingestion,
  detach: boolean,
): Promise<void> {
  const { output } = contextOf(command);
  const ingestion = detach ? started : await waitForIngestion(api, started.id);
  if (!detach && ingestion.state !== "published") process.exitCode = 1;
  output.result(ingestion, ingestionText(ingestion));
}

function ingestionText(ingestion: Ingestion): string {
  const { counts, rules = {}, failures = [], warnings = [] } = ingestion;
  return [
    `${ingestion.id} under ${ingestion.contract}: ${ingestion.state}${ingestion.replayOf === undefined ? "" : ` (rows of ${ingestion.replayOf})`}`,
    ...(counts
      ? [`${counts.accepted} accepted, ${counts.quarantined} quarantined, ${counts.deadLetters} dead letters`]
      : []),
    ...(Object.keys(rules).length > 0
      ? [
          table(
            ["broken rule", "rows"],
            Object.entries(rules).map(([name, rows]) => [name, String(rows)]),
          ),
        ]
      : []),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...failures.map((failure) => `refused: ${failure}`),
    ...(ingestion.datasetId === undefined ? [] : [`dataset ${ingestion.datasetId}`]),
  ].join("\n");
}

function registerShow(data: Command, contextOf: ContextOf): void {
  data
    .command("show <ingestionOrSubscription>")
    .description(
      "State, counts, broken rules and drift of an ingestion; state, offsets and failures of a subscription",
    )
    .addHelpText("after", "\nExamples:\n  portolan data show ing_… --json\n  portolan data show sub_…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      if (id.startsWith("sub_")) {
        const path = `/v1/subscriptions/${encodeURIComponent(id)}`;
        const subscription = await (await connect(context)).json<Subscription>({ path });
        context.output.result(subscription, subscriptionText(subscription));
        return;
      }
      const found = await (await connect(context)).json<Ingestion>({
        path: `/v1/ingestions/${encodeURIComponent(id)}`,
      });
      context.output.result(found, ingestionText(found));
    });
}

interface QuarantinePage {
  readonly rows: readonly {
    readonly row: string;
    readonly violations: readonly string[];
    readonly raw: Readonly<Record<string, string | null>>;
  }[];
  readonly next?: string;
}

interface QuarantineOptions {
  readonly purpose: string;
  readonly limit: string;
  readonly after?: string;
}

function registerQuarantine(data: Command, contextOf: ContextOf): void {
  data
    .command("quarantine <ingestion>")
    .description("Rows that an ingestion kept out, with the rules they broke")
    .requiredOption(
      "--purpose <name>",
      "what the rows are read for; the policies on data must allow them whole",
    )
    .option("--limit <n>", "rows per page, up to 1000", "20")
    .option("--after <row>", "only rows after this one")
    .addHelpText("after", "\nExample:\n  portolan data quarantine ing_… --purpose mending --limit 100 --json")
    .action(async (id: string, options: QuarantineOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams({
        limit: options.limit,
        purpose: options.purpose,
        ...(options.after ? { after: options.after } : {}),
      });
      const page = await (await connect(context)).json<QuarantinePage>({
        path: `/v1/ingestions/${encodeURIComponent(id)}/quarantine?${query.toString()}`,
      });
      const lines = page.rows.map(
        ({ row, violations, raw }) => `row ${row} breaks ${violations.join(", ")}: ${JSON.stringify(raw)}`,
      );
      if (page.next !== undefined) lines.push(`more: --after ${page.next}`);
      context.output.result(page, lines.join("\n") || "no row is in quarantine");
    });
}

function registerReplay(data: Command, contextOf: ContextOf): void {
  data
    .command("replay <ingestion>")
    .description(
      "Judge all rows of an ingestion again under another version of its contract: a dataset of the whole batch, or a refusal",
    )
    .option("--contract-version <version>", "a version of the contract (default: the newest)")
    .option("--detach", "do not wait for the end")
    .addHelpText(
      "after",
      "\nExample:\n  portolan data replay ing_…    once `portolan apply` has published the mended contract",
    )
    .action(async (id: string, options: { contractVersion?: string; detach?: boolean }, command: Command) => {
      const api = await connect(contextOf(command));
      const body = options.contractVersion === undefined ? {} : { version: options.contractVersion };
      const path = `/v1/ingestions/${encodeURIComponent(id)}/replay`;
      const started = await api.json<Ingestion>({ path, body });
      await tellEnd(contextOf, command, api, started, options.detach === true);
    });
}

interface Notice {
  readonly kind: string;
  readonly contract: string;
  readonly ingestionId: string;
  readonly channel?: string;
  readonly state: string;
  readonly event: { readonly time: string; readonly data: { readonly reasons: readonly string[] } };
}

function registerNotices(data: Command, contextOf: ContextOf): void {
  data
    .command("notices")
    .description("What owners of contracts were told of: refused batches, quarantined rows, drift")
    .option("--contract <name>", "only about this contract")
    .addHelpText("after", "\nExample:\n  portolan data notices --contract flights")
    .action(async (options: { contract?: string }, command: Command) => {
      const context = contextOf(command);
      const query = options.contract === undefined ? "" : `?contract=${encodeURIComponent(options.contract)}`;
      const { notices } = await (await connect(context)).json<{ notices: readonly Notice[] }>({
        path: `/v1/notices${query}`,
      });
      const rows = notices.map((one) => [
        one.event.time,
        one.kind,
        one.contract,
        one.ingestionId,
        `${one.channel ?? "no channel"}: ${one.state}`,
        one.event.data.reasons.join("; "),
      ]);
      context.output.result(
        { notices },
        table(["when", "what", "contract", "ingestion", "told", "reasons"], rows),
      );
    });
}
