import {
  addMicros,
  asEpochMicros,
  formatInstant,
  PortolanError,
  parseDurationMs,
  parseInstant,
  systemClock,
} from "@portolan/kernel";
import type { AlertRoute, AlertView } from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerAlertCommands(program: Command, contextOf: ContextOf): void {
  const alert = program
    .command("alert")
    .description("What is wrong with endpoints, who is told, and what nobody wants to hear of for a while")
    .addHelpText(
      "after",
      `
Examples:
  portolan alert list
  portolan alert silence alr_… --for 4h --reason "the labels of Monday are wrong"
  portolan alert route add oncall --environment production`,
    );
  registerList(alert, contextOf);
  registerSilence(alert, contextOf);
  registerRoutes(alert, contextOf);
}

interface ListOptions {
  readonly state?: string;
  readonly environment?: string;
  readonly after?: string;
}

function registerList(alert: Command, contextOf: ContextOf): void {
  alert
    .command("list")
    .description("Alerts with what each destination was told last, newest first, a hundred at a time")
    .option("--state <state>", "open or resolved (default: both)")
    .option("--environment <name>", "of one environment")
    .option("--after <alert>", "those that are older than this one")
    .addHelpText("after", "\nExample:\n  portolan alert list --state open")
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams();
      for (const name of ["state", "environment", "after"] as const)
        if (options[name] !== undefined) query.set(name, options[name]);
      const path = `/v1/alerts?${query.toString()}`;
      const { alerts } = await (await connect(context)).json<{ alerts: readonly AlertView[] }>({ path });
      context.output.result({ alerts }, alerts.length === 0 ? "no alerts" : alertTable(alerts));
    });
}

/** One line per alert. */
export function alertTable(alerts: readonly AlertView[]): string {
  const rows = alerts.map((alert) => [
    alert.id,
    alert.silence ? `${alert.state}, silent until ${instant(alert.silence.until)}` : alert.state,
    instant(alert.resolvedAt ?? alert.openedAt),
    alert.deliveries.map(toldWords).join(", ") || "nobody",
    alert.state === "open" ? alert.summary : (alert.resolvedBecause ?? alert.summary),
  ]);
  return table(["id", "state", "since", "told", "what"], rows);
}

function toldWords({ destination, told, failure }: AlertView["deliveries"][number]): string {
  if (failure !== undefined) return `${destination} (failed)`;
  return told === null ? `${destination} (not yet)` : `${destination} (${told})`;
}

interface SilenceOptions {
  readonly for?: string;
  readonly until?: string;
  readonly reason: string;
}

function registerSilence(alert: Command, contextOf: ContextOf): void {
  alert
    .command("silence <alert>")
    .description("Send nothing of what this alert is about for a while, also when it opens again meanwhile")
    .option("--for <duration>", "e.g. 30min, 4h, 7d; up to 90d")
    .option("--until <instant>", "RFC 3339, in place of --for")
    .requiredOption("--reason <text>", "goes on the ledger")
    .addHelpText(
      "after",
      '\nExample:\n  portolan alert silence alr_… --for 4h --reason "the labels of Monday are wrong"',
    )
    .action(async (id: string, options: SilenceOptions, command: Command) => {
      const context = contextOf(command);
      const body = { until: untilOf(options), reason: options.reason };
      const path = `/v1/alerts/${encodeURIComponent(id)}/silence`;
      const silenced = await (await connect(context)).json<AlertView>({ path, body });
      context.output.result(silenced, `${silenced.id} is silent until ${instant(body.until)}`);
    });
}

/** Epoch microseconds. @throws PortolanError `cli.bad_usage` unless exactly one of the two is given */
function untilOf(options: SilenceOptions): number {
  const { for: duration, until } = options;
  if ((duration === undefined) === (until === undefined))
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "a silence has an end",
      mend: "Give --for or --until.",
    });
  return duration === undefined
    ? parseInstant(until ?? "")
    : addMicros(systemClock.now(), parseDurationMs(duration) * 1000);
}

function registerRoutes(alert: Command, contextOf: ContextOf): void {
  const route = alert
    .command("route")
    .description("Which alerts go to which of the operator's destinations (docs/alerts.md)")
    .addHelpText("after", "\nExample:\n  portolan alert route add oncall --environment production");
  route
    .command("add <destination>")
    .description("Send alerts of a place to a destination, those that are open now included")
    .requiredOption("--environment <name>", "where the endpoints are")
    .option("--use-case <id>", "only those of this use case (uc_…)")
    .addHelpText("after", "\nExample:\n  portolan alert route add oncall --environment production")
    .action(
      async (destination: string, options: { environment: string; useCase?: string }, command: Command) => {
        const context = contextOf(command);
        const { environment, useCase } = options;
        const body = { destination, environment, ...(useCase === undefined ? {} : { useCaseId: useCase }) };
        const added = await (await connect(context)).json<AlertRoute>({ path: "/v1/alert-routes", body });
        context.output.result(added, `${added.id}: alerts of ${environment} go to ${destination}`);
      },
    );
  route
    .command("list")
    .description("Where alerts go")
    .addHelpText("after", "\nExample:\n  portolan alert route list")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { routes } = await (await connect(context)).json<{ routes: readonly AlertRoute[] }>({
        path: "/v1/alert-routes",
      });
      const rows = routes.map((one) => [one.id, one.environment, one.useCaseId ?? "all", one.destination]);
      context.output.result({ routes }, table(["id", "environment", "use case", "destination"], rows));
    });
  route
    .command("remove <route>")
    .description("Send nothing along this route any more")
    .addHelpText("after", "\nExample:\n  portolan alert route remove art_…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/alert-routes/${encodeURIComponent(id)}`;
      const gone = await (await connect(context)).json<AlertRoute>({ method: "DELETE", path });
      context.output.result(gone, `${gone.id} is removed`);
    });
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
