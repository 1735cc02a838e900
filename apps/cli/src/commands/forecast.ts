import { resolve } from "node:path";
import { forecastSeries, readSeries, type Series } from "@portolan/capacity";
import { type Command, Option } from "commander";
import type { CliContext } from "../context.ts";
import { forecastPicture } from "../forecast/forecast-picture.ts";
import { forecastJson, forecastText } from "../forecast/forecast-text.ts";
import { seriesOfUsage, subjectOf, type UsageStep } from "../forecast/series-of-usage.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

interface ForecastOptions {
  readonly season?: string;
  readonly horizon?: string;
  readonly level: string;
  readonly picture?: string;
  readonly force?: boolean;
  readonly usage?: boolean;
  readonly resource?: string;
  readonly by: UsageStep;
  readonly months: string;
  readonly businessUnit?: string;
  readonly team?: string;
  readonly useCase?: string;
  readonly model?: string;
  readonly environment?: string;
  readonly endpoint?: string;
}

/** What will be used next; needs no server for a file. */
export function registerForecastCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("forecast [file]")
    .description(
      "What comes next in a file of quantities, or in recorded usage, by the method that beats the baseline on the past, with intervals; needs no server for a file",
    )
    .option(
      "--season <steps>",
      "after so many steps things come again: 24 for hours, 7 for days; 1 where they do not",
    )
    .option("--horizon <steps>", "how far ahead")
    .option("--level <share>", "of what comes that intervals are to hold, 0.5 to 0.99", "0.8")
    .option("--picture <file.svg>", "draw the past and the forecast")
    .option("--force", "overwrite the picture that is there")
    .option("--usage", "forecast usage that the server recorded, in the place of a file")
    .option("--resource <name>", "with --usage: of which resource, e.g. gpu_hours, requests")
    .addOption(
      new Option("--by <step>", "with --usage: steps of UTC").choices(["hour", "day"]).default("hour"),
    )
    .option("--months <n>", "with --usage: whole months before this one that are read", "2")
    .option("--business-unit <name>", "with --usage: of it alone, as all the following")
    .option("--team <name>", "of this team")
    .option("--use-case <name>", "of this use case")
    .option("--model <name>", "of this model")
    .option("--environment <name>", "of this environment")
    .option("--endpoint <name>", "of this endpoint, as the prediction log counted it")
    .addHelpText(
      "after",
      "\nA file has the columns time (RFC 3339, or a date) and quantity, a line for each step, in order and without gaps. Of recorded usage, seasons are 24 hours or 7 days and horizons 168 hours or 28 days where none are said.\n\nExamples:\n  portolan forecast gpu-hours.csv --season 24 --horizon 168 --picture gpu-hours.svg\n  portolan forecast --usage --resource requests --team credit --by day --months 6",
    )
    .action(async (file: string | undefined, options: ForecastOptions, command: Command) => {
      const context = contextOf(command);
      if (options.usage === true) return forecastUsage(context, file, options);
      if (file === undefined || options.season === undefined || options.horizon === undefined)
        throw badUsage(
          "a file, --season and --horizon are needed, or --usage",
          "Say portolan forecast gpu-hours.csv --season 24 --horizon 168.",
        );
      const named = Object.keys(queryOptions).find((name) => name in options);
      if (named !== undefined)
        throw badUsage(`${queryOptions[named]} is of recorded usage`, "Add --usage, or leave it out.");
      const series = readSeries(await readInput(context, file), file);
      return answer(context, { of: file, unit: "" }, series, options);
    });
}

const queryOptions: Readonly<Record<string, string>> = {
  resource: "--resource",
  businessUnit: "--business-unit",
  team: "--team",
  useCase: "--use-case",
  model: "--model",
  environment: "--environment",
  endpoint: "--endpoint",
};

const ownSteps = { hour: { season: "24", horizon: "168" }, day: { season: "7", horizon: "28" } } as const;

async function forecastUsage(
  context: CliContext,
  file: string | undefined,
  options: ForecastOptions,
): Promise<void> {
  const { resource, by, endpoint } = options;
  if (file !== undefined) throw badUsage("a file and --usage are one too many", "Leave one of them out.");
  if (resource === undefined)
    throw badUsage("--usage needs a --resource", "Say --resource requests; portolan usage show names them.");
  const levels = ["businessUnit", "team", "useCase", "model", "environment"] as const;
  const tenant = Object.fromEntries(
    levels.flatMap((level) => (options[level] === undefined ? [] : [[level, options[level]]])),
  );
  const query = { resource, tenant, ...(endpoint === undefined ? {} : { endpoint }) };
  const months = wholeOf("--months", options.months, 24);
  const series = await seriesOfUsage(context, query, { by, months });
  await answer(context, { of: subjectOf(query), unit: resource }, series, { ...ownSteps[by], ...options });
}

async function answer(
  context: CliContext,
  { of, unit }: { readonly of: string; readonly unit: string },
  series: Series,
  options: ForecastOptions,
): Promise<void> {
  const season = wholeOf("--season", options.season ?? "");
  const level = levelOf(options.level);
  const subject = { of, unit, season, level };
  const forecast = forecastSeries({
    values: series.values,
    season,
    level,
    horizon: wholeOf("--horizon", options.horizon ?? ""),
  });
  if (options.picture !== undefined)
    await writeNew(
      resolve(context.cwd, options.picture),
      forecastPicture(series, forecast),
      options.force === true,
    );
  context.output.result(
    forecastJson(series, subject, forecast),
    [
      forecastText(series, subject, forecast),
      ...(options.picture === undefined ? [] : [`drew ${options.picture}`]),
    ].join("\n"),
  );
}

const mostSteps = 10_000;

function wholeOf(option: string, text: string, most = mostSteps): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= most) return value;
  throw badUsage(
    `${option} ${JSON.stringify(text.slice(0, 40))} is no whole number of 1 to ${most}`,
    "See the examples of portolan forecast --help.",
  );
}

function levelOf(text: string): number {
  const value = /^0\.\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 0.5 && value <= 0.99) return value;
  throw badUsage(
    `--level ${JSON.stringify(text.slice(0, 40))} is no share of 0.5 to 0.99`,
    "Say --level 0.9.",
  );
}
