import { resolve } from "node:path";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { procurementPicture } from "../procurement/procurement-picture.ts";
import { type ProcurementOptions, procurementQuestion } from "../procurement/procurement-question.ts";
import { procurementJson, procurementOf, procurementText } from "../procurement/procurement-text.ts";
import type { ContextOf } from "../program.ts";
import { range } from "../ranges.ts";
import { writeNew } from "../write-new.ts";

/** How much of a load to own, to reserve and to rent; needs no server. */
export function registerProcureCommand(program: Command, contextOf: ContextOf): void {
  const procure = program
    .command("procure")
    .description(
      "How many cards to own, to reserve for one or three years and to rent by the hour for a load: the cheapest mix, exactly, and from which use on each way pays; needs no server",
    );
  loadOptions(procure)
    .option("--without <ways>", "not to be had: some of own,reserved_1y,reserved_3y,spot")
    .option("--gpu <model>", "model of the card, for prices", "H100")
    .option("--currency <code>", "of every amount here", "USD")
    .option("--card-price <money>", `what one card costs, in the place of the price book${range}`)
    .option(
      "--server <factor>",
      `a card with its share of server and network, over its own price${range}`,
      "1.3..1.4..1.6",
    )
    .option("--life <months>", "after which owned cards are worth nothing and are bought again", "36")
    .option(
      "--watts <number>",
      `of an owned card with its share of server and cooling${range}`,
      "700..980..1200",
    )
    .option("--kwh <money>", `a kilowatt hour, in the place of the price book${range}`)
    .option("--running <money>", `room, support and people for all owned cards, a month${range}`, "0")
    .option("--cloud-hour <money>", `a card for an hour on demand, in the place of the price book${range}`)
    .option("--reserved-1y <money>", `the same, bound for a year${range}`)
    .option("--reserved-3y <money>", `the same, bound for three years${range}`)
    .option("--spot-hour <money>", `the same on a spot machine${range}`)
    .option(
      "--interrupted <hours:minutes:minutes>",
      `spot machines: mean hours between interruptions; minutes of a checkpoint; minutes to go on${range}`,
      "12..24..48:1..3..6:3..6..12",
    )
    .option("--prices <file>", "your own prices: they win over the shipped ones")
    .option("--picture <file.svg>", "draw the load and how each part of it is had")
    .option("--force", "overwrite the file that is there")
    .addHelpText(
      "after",
      "\nWhat has a default is an assumption. Say your own.\n\nExamples:\n  portolan procure --load cards.csv --interruptible 0.3 --picture mix.svg\n  portolan procure --percentiles 50:4,90:10,100:16 --gpu A100 --running 3000 --horizon 24\n  portolan procure --percentiles 50:4,90:10,100:16 --growth 3 --server-cards 8",
    )
    .action((options: ProcurementOptions, command: Command) => answer(contextOf(command), options));
}

function loadOptions(procure: Command): Command {
  return procure
    .option(
      "--load <file.csv>",
      "time,quantity: cards wanted from then on; interruptible says how many of them may be interrupted",
    )
    .option(
      "--percentiles <percent:cards,…>",
      "in the place of a file: cards that suffice for so much of the time, the last for 100 %",
    )
    .option(
      "--interruptible <share>",
      "of the load that may be interrupted, where the file does not say",
      "0",
    )
    .option("--horizon <months>", "that are planned for; what is bound for longer is paid to its end", "36")
    .option(
      "--growth <percent>",
      "by which the load is greater each month than in the one before, compounded; below 0 it shrinks",
      "0",
    )
    .option("--server-cards <number>", "owned cards come in whole servers of so many, e.g. 8", "1");
}

async function answer(context: CliContext, options: ProcurementOptions): Promise<void> {
  const asked = await procurementQuestion(context, options);
  const found = procurementOf(asked.questions);
  if (options.picture !== undefined)
    await writeNew(
      resolve(context.cwd, options.picture),
      procurementPicture(asked.curve, found.answer.bands),
      options.force === true,
    );
  context.output.result(procurementJson(asked, found), procurementText(asked, found));
}
