import {
  asEpochMicros,
  type Currency,
  formatInstant,
  formatMoney,
  money,
  multiplyMoney,
  PortolanError,
} from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { EndpointList, Sunset } from "@portolan/serving/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface SunsetOptions {
  readonly on?: string;
  readonly reason: string;
  readonly successor?: string;
  readonly withdraw?: boolean;
  readonly environment: string;
}

/** The end of an endpoint: announced, taken back, and who would be hit by it. */
export function registerSunsetCommands(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("sunset <endpoint>")
    .description("Announce when an endpoint ends: each answer says so, and nothing answers from then on")
    .requiredOption("--reason <text>", "why, for the record")
    .option("--on <instant>", "RFC 3339, or a day: it ends as that day begins (UTC)")
    .option("--successor <url>", "what callers should ask instead")
    .option("--withdraw", "take the announced end back")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText(
      "after",
      `
Examples:
  portolan endpoint callers churn
  portolan endpoint sunset churn --on 2027-03-01 --successor https://models.example/churn-2 --reason "churn-2 is out"
  portolan endpoint sunset churn --withdraw --reason "billing still needs it"`,
    )
    .action(async (name: string, options: SunsetOptions, command: Command) => {
      const context = contextOf(command);
      const { environment, reason, successor, withdraw = false } = options;
      if (withdraw === (options.on !== undefined))
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: "say when it ends, or that the announced end is taken back",
          mend: "Give one of --on 2027-03-01 and --withdraw.",
        });
      const path = `/v1/endpoints/${encodeURIComponent(name)}/sunset${withdraw ? "/withdrawal" : ""}`;
      const announcement = {
        endsAt: /^\d{4}-\d\d-\d\d$/.test(options.on ?? "") ? `${options.on}T00:00:00Z` : options.on,
        ...(successor === undefined ? {} : { successor }),
      };
      const api = await connect(context);
      const sunset = await api.json<Sunset>({
        method: "POST",
        path,
        body: { environment, reason, ...(withdraw ? {} : announcement) },
      });
      const endsAt = formatInstant(asEpochMicros(sunset.endsAt));
      context.output.result(
        sunset,
        withdraw
          ? `${name} goes on in ${environment}: its end at ${endsAt} is taken back`
          : `${name} ends in ${environment} at ${endsAt}; its answers say so from the next snapshot on.\nWho still calls it: portolan endpoint callers ${name}`,
      );
    });
  registerCallers(endpoint, contextOf);
}

interface CallersOptions {
  readonly days: string;
  readonly environment: string;
  readonly most: string;
}

function registerCallers(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("callers <endpoint>")
    .description("Who called an endpoint lately, how often, when last, and what that cost")
    .option("--days <count>", "look back this far", "7")
    .option("--most <count>", "records that are looked at, newest first", "20000")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText("after", "\nExample:\n  portolan endpoint callers churn --days 30 --json")
    .action(async (name: string, options: CallersOptions, command: Command) => {
      const context = contextOf(command);
      const [days, most] = [wholeOf("--days", options.days), wholeOf("--most", options.most)];
      const api = await connect(context);
      const since = formatInstant(asEpochMicros((Date.now() - days * 86_400_000) * 1000));
      const counted = await countCallers(api, {
        endpoint: name,
        from: since,
        environment: options.environment,
        most,
      });
      const perThousand = await costOf(api, name, options.environment);
      const callers = counted.callers.map((caller) => ({
        ...caller,
        ...(perThousand === undefined ? {} : { cost: costText(perThousand, caller.answered) }),
      }));
      context.output.result(
        { endpoint: name, environment: options.environment, since, complete: counted.complete, callers },
        table(
          ["caller", "requests", "answered", "last", "cost"],
          callers.map(({ principal, requests, answered, lastAt, cost = "not measured" }) => [
            principal,
            String(requests),
            String(answered),
            lastAt,
            cost,
          ]),
        ),
      );
      if (!counted.complete)
        context.output.note(`the newest ${most} records only: look at more with --most, or at fewer --days`);
    });
}

interface CallerCount {
  readonly principal: string;
  readonly requests: number;
  /** Of them, those that were not refused. */
  readonly answered: number;
  readonly lastAt: string;
}

interface Counted {
  readonly callers: readonly CallerCount[];
  /** False when there were more records than were looked at. */
  readonly complete: boolean;
}

/** By the records of the prediction log, answers and refusals; replays of records are nobody's calls. */
async function countCallers(
  api: ApiClient,
  asked: {
    readonly endpoint: string;
    readonly from: string;
    readonly environment: string;
    readonly most: number;
  },
): Promise<Counted> {
  const counts = new Map<string, { requests: number; answered: number; last: number }>();
  let [seen, cursor]: [number, string | undefined] = [0, undefined];
  do {
    const query = new URLSearchParams({ endpoint: asked.endpoint, from: asked.from, limit: "1000" });
    if (cursor !== undefined) query.set("cursor", cursor);
    const page: { predictions: readonly Pick<StoredPrediction, "header">[]; next?: string } = await api.json({
      path: `/v1/predictions?${query.toString()}`,
    });
    for (const { header } of page.predictions) {
      const { status, principal, context, receivedAt } = header;
      if (
        context.environment !== asked.environment ||
        header.replayOf !== undefined ||
        status.kind === "read"
      )
        continue;
      const known = counts.get(principal) ?? { requests: 0, answered: 0, last: 0 };
      counts.set(principal, {
        requests: known.requests + (status.kind === "refused" ? status.count : 1),
        answered: known.answered + Number(status.kind === "ok"),
        last: Math.max(known.last, receivedAt),
      });
    }
    seen += page.predictions.length;
    cursor = page.next;
  } while (cursor !== undefined && seen < asked.most);
  const callers = [...counts]
    .map(([principal, { last, ...of }]) => ({ principal, ...of, lastAt: formatInstant(asEpochMicros(last)) }))
    .toSorted((a, b) => b.requests - a.requests);
  return { callers, complete: cursor === undefined };
}

/** What a thousand predictions cost there by the version's measurement, as text such as `0.02 USD`. */
async function costOf(api: ApiClient, name: string, environment: string): Promise<string | undefined> {
  const { endpoints } = await api.json<EndpointList>({ path: "/v1/endpoints" });
  return endpoints.find((one) => one.name === name && one.environment === environment)?.compute
    ?.costPerThousand;
}

function costText(perThousand: string, answered: number): string {
  const [amount = "0", currency = ""] = perThousand.split(" ");
  return formatMoney(multiplyMoney(money(amount, currency as Currency), BigInt(answered), 1000n));
}

function wholeOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${option} ${text} is no count`,
    mend: `Give a whole number above 0, such as ${option} 30.`,
  });
}
