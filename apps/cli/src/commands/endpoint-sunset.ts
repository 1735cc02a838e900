import {
  addMicros,
  asEpochMicros,
  type Currency,
  formatInstant,
  formatMoney,
  isPortolanError,
  money,
  multiplyMoney,
  PortolanError,
  systemClock,
} from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { ComputeProfile } from "@portolan/registry/contract";
import type { Endpoint, EndpointList, Sunset } from "@portolan/serving/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface SunsetOptions {
  readonly on?: string;
  readonly reason: string;
  readonly successor?: string;
  readonly withdraw?: boolean;
  readonly version?: string;
  readonly environment: string;
}

/** The end of an endpoint, or of one of its versions: announced, taken back, and who would be hit by it. */
export function registerSunsetCommands(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("sunset <endpoint>")
    .description(
      "Announce when an endpoint, or one of its versions, ends: each answer says so, and nothing answers from then on",
    )
    .requiredOption("--reason <text>", "why, for the record")
    .option("--on <instant>", "RFC 3339, or a day: it ends as that day begins (UTC)")
    .option("--successor <url>", "what callers should ask instead")
    .option(
      "--version <number>",
      "only this version of the endpoint ends, such as one that callers still name",
    )
    .option("--withdraw", "take the announced end back")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText(
      "after",
      `
Examples:
  portolan endpoint sunset churn --on 2027-03-01 --successor https://models.example/churn-2 --reason "churn-2 is out"
  portolan endpoint sunset churn --version 3 --on 2027-03-01 --reason "version 4 answers better"
  portolan endpoint sunset churn --withdraw --reason "billing still needs it"`,
    )
    .action(async (name: string, options: SunsetOptions, command: Command) => {
      const context = contextOf(command);
      const { environment, reason, successor, withdraw = false } = options;
      if (withdraw === (options.on !== undefined) || (withdraw && successor !== undefined))
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: "say when it ends, or that the announced end is taken back",
          mend: "Give one of --on 2027-03-01 (with --successor) and --withdraw.",
        });
      const ofVersion =
        options.version === undefined ? {} : { version: wholeOf("--version", options.version) };
      const path = `/v1/endpoints/${encodeURIComponent(name)}/sunset${withdraw ? "/withdrawal" : ""}`;
      const announcement = {
        endsAt: /^\d{4}-\d\d-\d\d$/.test(options.on ?? "") ? `${options.on}T00:00:00Z` : options.on,
        ...(successor === undefined ? {} : { successor }),
      };
      const api = await connect(context);
      const sunset = await api.json<Sunset>({
        method: "POST",
        path,
        body: { environment, reason, ...ofVersion, ...(withdraw ? {} : announcement) },
      });
      const what = options.version === undefined ? name : `version ${options.version} of ${name}`;
      const endsAt = formatInstant(asEpochMicros(sunset.endsAt));
      context.output.result(
        sunset,
        withdraw
          ? `${what} goes on in ${environment}: its end at ${endsAt} is taken back`
          : `${what} ends in ${environment} at ${endsAt}; its answers say so from the next snapshot on.\nWho still calls it: portolan endpoint callers ${name}${options.version === undefined ? "" : ` --version ${options.version}`}`,
      );
    });
  registerCallers(endpoint, contextOf);
}

const dayMicros = 86_400_000_000;

interface CallersOptions {
  readonly days: string;
  readonly version?: string;
  readonly environment: string;
  readonly most: string;
}

function registerCallers(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("callers <endpoint>")
    .description("Who called an endpoint lately, how often, when last, and what that cost")
    .option("--days <count>", "look back this far", "7")
    .option("--version <number>", "only what this version was asked, and what its answers cost")
    .option("--most <count>", "records of it that are looked at, newest first", "20000")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan endpoint callers churn --days 30 --json\n  portolan endpoint callers churn --version 3",
    )
    .action(async (name: string, options: CallersOptions, command: Command) => {
      const context = contextOf(command);
      const [days, most] = [wholeOf("--days", options.days), wholeOf("--most", options.most)];
      const api = await connect(context);
      const since = formatInstant(addMicros(systemClock.now(), -days * dayMicros));
      const { endpoints } = await api.json<EndpointList>({ path: "/v1/endpoints" });
      const { environment } = options;
      const found = endpoints.find((one) => one.name === name && one.environment === environment);
      if (!found)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: `there is no endpoint ${name} in ${environment} that you may see`,
          mend: "List endpoints with: portolan endpoint list",
        });
      const version = options.version === undefined ? undefined : wholeOf("--version", options.version);
      const perThousand = await priceOf(api, found, version);
      const counted = await countCallers(api, { ...found, from: since, most, version });
      const callers = counted.callers.map((caller) => ({
        ...caller,
        ...(perThousand === undefined ? {} : { cost: costText(perThousand, caller.answered) }),
      }));
      context.output.result(
        {
          endpoint: name,
          environment,
          ...(version === undefined ? {} : { version }),
          since,
          complete: counted.complete,
          callers,
        },
        table(
          ["caller", "requests", "answered", "last", "cost (estimate)"],
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

/** Pages that are asked for: one may be empty, and there may be many records of other environments. */
const mostPages = 2000;

/** By the records of the prediction log, answers and refusals. Replays of records and copies for a shadow are nobody's calls. */
async function countCallers(
  api: ApiClient,
  asked: Pick<Endpoint, "name" | "environment" | "useCaseId" | "route"> & {
    readonly from: string;
    readonly most: number;
    /** Absent: all versions. */
    readonly version: number | undefined;
  },
): Promise<Counted> {
  const counts = new Map<string, { requests: number; answered: number; last: number }>();
  const { name: endpoint, environment, useCaseId, from } = asked;
  let cursor: string | undefined;
  let seen = 0;
  for (let pages = 0; pages < mostPages && seen < asked.most; pages++) {
    const query = new URLSearchParams({ endpoint, useCaseId, from, limit: "1000" });
    if (cursor !== undefined) query.set("cursor", cursor);
    const page: { predictions: readonly Pick<StoredPrediction, "header">[]; next?: string } = await api.json({
      path: `/v1/predictions?${query.toString()}`,
    });
    for (const { header } of page.predictions) {
      const { status, principal, context, receivedAt } = header;
      if (context.environment !== environment || context.variant === "shadow") continue;
      if (header.replayOf !== undefined || status.kind === "read") continue;
      if (!isOfVersion(context.model, asked)) continue;
      seen += 1;
      const known = counts.get(principal) ?? { requests: 0, answered: 0, last: 0 };
      counts.set(principal, {
        requests: known.requests + (status.kind === "refused" ? status.count : 1),
        answered: known.answered + Number(status.kind === "ok"),
        last: Math.max(known.last, receivedAt),
      });
    }
    cursor = page.next;
    if (cursor === undefined) break;
  }
  const callers = [...counts]
    .map(([principal, { last, ...of }]) => ({ principal, ...of, lastAt: formatInstant(asEpochMicros(last)) }))
    .toSorted((a, b) => b.requests - a.requests);
  return { callers, complete: cursor === undefined };
}

/** The version that is meant by a number, as requests and sunsets mean it: the endpoint's own before its variants. */
function versionNamed({ model, variants }: Endpoint["route"], version: number) {
  return [model, ...variants.map((one) => one.model)].find((one) => one.version === version);
}

/** Of a version that the endpoint has no longer nobody knows the model, and its number counts. */
function isOfVersion(
  answered: StoredPrediction["header"]["context"]["model"],
  { route, version }: Pick<Endpoint, "route"> & { readonly version: number | undefined },
): boolean {
  if (version === undefined) return true;
  const name = versionNamed(route, version)?.name;
  return answered?.version === String(version) && (name === undefined || answered.name === name);
}

/** What 1,000 answers cost: of the endpoint's own version as control says it; of another one by the processor time of both. */
async function priceOf(
  api: ApiClient,
  { route, compute }: Endpoint,
  version: number | undefined,
): Promise<string | undefined> {
  const own = compute?.costPerThousand;
  if (own === undefined || version === undefined || route.model.version === version) return own;
  const other = versionNamed(route, version);
  if (!other) return undefined;
  const [ofOwn, ofOther] = [await cpuMicrosOf(api, route.model), await cpuMicrosOf(api, other)];
  if (ofOwn === undefined || ofOther === undefined) return undefined;
  const [amount = "0", currency = ""] = own.split(" ");
  const price = money(amount, currency as Currency);
  return formatMoney(
    multiplyMoney(price, BigInt(Math.round(ofOther)), BigInt(Math.max(1, Math.round(ofOwn)))),
  );
}

async function cpuMicrosOf(
  api: ApiClient,
  { name, version }: Endpoint["route"]["model"],
): Promise<number | undefined> {
  const path = `${versionPath(name, String(version))}/compute-profile`;
  try {
    const { profile } = await api.json<{ profile: ComputeProfile }>({ path });
    return profile.single.cpuMicros;
  } catch (error) {
    if (isPortolanError(error) && error.code === "kernel.not_found") return undefined;
    throw error;
  }
}

/** By the price of today's version: fallbacks, kept answers and requests of many rows are not told apart. */
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
