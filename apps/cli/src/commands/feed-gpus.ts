import { assumedDriveBytes, assumedGpusPerNode, assumedTiers, tierNames } from "@portolan/capacity";
import { type Command, Option } from "commander";
import type { ContextOf } from "../program.ts";
import { range } from "../ranges.ts";
import { type FeedOptions, feedQuestion } from "../storage/feed-question.ts";
import { feedFound, feedJson, feedText } from "../storage/feed-text.ts";

/** Whether storage keeps graphics cards fed, and what waiting costs; needs no server. */
export function registerFeedGpusCommand(program: Command, contextOf: ContextOf): void {
  const command = program
    .command("feed-gpus")
    .description(
      "How fast data has to come for GPUs to wait for nothing, whether NVMe, hard disks or an object store give it, what waiting costs, and the cheapest arrangement; needs no server",
    )
    .requiredOption("--gpus <number>", "that train together")
    .requiredOption(
      "--samples <number>",
      `samples a second that one of them takes in when nothing holds it up${range}`,
    )
    .requiredOption("--sample <size>", `of one sample as it is read, such as 110kB${range}`)
    .requiredOption("--data <size>", `all samples, such as 2TB${range}`)
    .option("--epochs <number>", "times that a run reads all of them", "1")
    .option("--runs <number>", `runs of a month${range}`, "1")
    .option("--read <size>", `of one read, where samples are packed; else a sample${range}`)
    .addOption(new Option("--from <tier>", "where the data lies by plan; else any").choices([...tierNames]))
    .option("--cache <size>", `of NVMe before it, which keeps a part of the data${range}`)
    .option(
      "--cache-hit <share>",
      `the same, as the share of reads that it answers after the first epoch${range}`,
    );
  addTierOptions(command)
    .addHelpText(
      "after",
      "\nWhat has a default is an assumption: measure yours.\n\nExamples:\n  portolan feed-gpus --gpus 8 --samples 2500 --sample 110kB --data 2TB --epochs 30 --from object\n  portolan feed-gpus --gpus 16 --samples 1500..2500..3000 --sample 110kB --read 8MB --data 2TB --epochs 90 --runs 4 --from object --cache 1TB",
    )
    .action(async (options: FeedOptions, called: Command) => {
      const context = contextOf(called);
      const asked = await feedQuestion(context, options);
      const found = feedFound(asked);
      context.output.result(feedJson(asked, found), feedText(asked, found));
    });
}

function addTierOptions(command: Command): Command {
  const { nvme, hdd, object } = assumedTiers;
  const of = (three: readonly number[], unit = 1): string => three.map((one) => one / unit).join("..");
  return command
    .option("--gpus-per-node <number>", "GPUs of one machine", String(assumedGpusPerNode))
    .option("--nvme <GB/s>", `that the NVMe of one machine gives${range}`, of(nvme.bytesPerSecond, 1e9))
    .option("--nvme-reads <number>", `reads that begin in a second there${range}`, of(nvme.readsPerSecond))
    .option(
      "--object <GB/s>",
      `that one machine gets from the object store${range}`,
      of(object.bytesPerSecond, 1e9),
    )
    .option("--object-reads <number>", `requests of a second from it${range}`, of(object.readsPerSecond))
    .option("--hdd <MB/s>", `that one hard disk gives${range}`, of(hdd.bytesPerSecond, 1e6))
    .option("--hdd-reads <number>", `reads that begin in a second there${range}`, of(hdd.readsPerSecond))
    .option(
      "--drive <size>",
      "of one hard disk: as many are there as hold the data",
      `${assumedDriveBytes / 1e12}TB`,
    )
    .option("--drives <number>", "hard disks, in the place of --drive")
    .option("--gpu <model>", "model of the card, for the price of its time", "H100")
    .option("--gpu-hour <money>", `a card for an hour, in the place of the price book${range}`)
    .option("--nvme-price <money>", `a GB for a month on NVMe, in the place of the price book${range}`)
    .option("--hdd-price <money>", `the same on hard disks${range}`)
    .option("--object-price <money>", `the same in an object store${range}`)
    .option("--currency <code>", "of every amount here", "USD")
    .option("--prices <file>", "your own prices: they win over the shipped ones");
}
