import { resolve } from "node:path";
import { forecastSeries, readSeries, type Series } from "@portolan/capacity";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { forecastPicture } from "../forecast/forecast-picture.ts";
import { forecastJson, forecastText } from "../forecast/forecast-text.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

interface ForecastOptions {
  readonly season: string;
  readonly horizon: string;
  readonly level: string;
  readonly picture?: string;
  readonly force?: boolean;
}

/** What will be used next; needs no server for a file. */
export function registerForecastCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("forecast <file>")
    .description(
      "What comes next in a series of quantities, by the method that beats the baseline on the past, with intervals; needs no server",
    )
    .requiredOption(
      "--season <steps>",
      "after so many steps things come again: 24 for hours, 7 for days; 1 where they do not",
    )
    .requiredOption("--horizon <steps>", "how far ahead")
    .option("--level <share>", "of what comes that intervals are to hold, 0.5 to 0.99", "0.8")
    .option("--picture <file.svg>", "draw the past and the forecast")
    .option("--force", "overwrite the picture that is there")
    .addHelpText(
      "after",
      "\nThe file has the columns time (RFC 3339, or a date) and quantity, a line for each step, in order and without gaps.\n\nExample:\n  portolan forecast gpu-hours.csv --season 24 --horizon 168 --picture gpu-hours.svg",
    )
    .action(async (file: string, options: ForecastOptions, command: Command) => {
      const context = contextOf(command);
      const series = readSeries(await readInput(context, file), file);
      await answer(context, { of: file, unit: "" }, series, options);
    });
}

async function answer(
  context: CliContext,
  { of, unit }: { readonly of: string; readonly unit: string },
  series: Series,
  options: ForecastOptions,
): Promise<void> {
  const season = wholeOf("--season", options.season);
  const level = levelOf(options.level);
  const subject = { of, unit, season, level };
  const forecast = forecastSeries({
    values: series.values,
    season,
    level,
    horizon: wholeOf("--horizon", options.horizon),
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

function wholeOf(option: string, text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= mostSteps) return value;
  throw badUsage(
    `${option} ${JSON.stringify(text.slice(0, 40))} is no whole number of 1 to ${mostSteps}`,
    `Say ${option} ${option === "--season" ? "24" : "168"}.`,
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
