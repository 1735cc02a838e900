import {
  assumedAvailabilities,
  type QueueFigures,
  type RedundancyAnswer,
  type ReplicaAnswer,
  type ReplicaQuestion,
  replicasFor,
} from "@portolan/capacity";
import { parseDurationMs } from "@portolan/kernel";
import { type Command, Option } from "commander";
import type { ContextOf } from "../program.ts";
import { badUsage } from "../read-input.ts";

interface ReplicaOptions {
  readonly rate: string;
  readonly takes: string;
  readonly within: string;
  readonly share: string;
  readonly times: "exponential" | "constant";
  readonly peak: string;
  readonly batch: string;
  readonly batchWait: string;
  readonly spare: string;
  readonly coldStart?: string;
  readonly ramp?: string;
  readonly availability?: string;
  readonly instance: string;
  readonly zone: string;
  readonly region: string;
  readonly zones: string;
  readonly regions: string;
  readonly canary: string;
}

const assumed = (share: number): string => String(Number((100 * share).toPrecision(6)));

/** How many replicas a latency objective takes; needs no server. */
export function registerReplicasCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("replicas")
    .description("How many replicas answer requests in time, or why no number of them does; needs no server")
    .requiredOption("--rate <number>", "requests a second on average, or a day: 5000000/d")
    .requiredOption("--takes <duration>", "what a request, or a batch, takes in a replica, such as 50ms")
    .requiredOption("--within <duration>", "what the objective allows, such as 200ms")
    .option("--share <number>", "of the requests that it is for", "0.95")
    .addOption(
      new Option(
        "--times <kind>",
        "how times vary: those of most services, or not at all (one size of inputs)",
      )
        .choices(["exponential", "constant"])
        .default("exponential"),
    )
    .option("--peak <factor>", "the rate at the peak beside the average", "1")
    .option("--batch <number>", "requests that a replica answers at once, at most", "1")
    .option("--batch-wait <duration>", "how long the first waits for others; 0ms: full batches", "0ms")
    .option(
      "--spare <number>",
      "replicas beyond those that carry the peak: one that fails, one that starts",
      "1",
    )
    .option(
      "--cold-start <duration>",
      "from when a replica is ordered until it answers, e.g. 40s, what the autoscaler takes to see it included; with --ramp",
    )
    .option(
      "--ramp <rise>",
      "how fast the rate rises, e.g. 30/1min: 30 requests a second more within a minute",
    )
    .option(
      "--availability <percent>",
      "of the time in which the peak has to be carried, e.g. 99.9: says how many are run, in how many zones",
    )
    .option(
      "--instance <percent>",
      "of the time in which an instance is up in a zone that is",
      assumed(assumedAvailabilities.instance),
    )
    .option("--zone <percent>", "the same of a zone in its region", assumed(assumedAvailabilities.zone))
    .option("--region <percent>", "the same of a region", assumed(assumedAvailabilities.region))
    .option("--zones <number>", "zones of a region that may be used", "3")
    .option("--regions <number>", "regions that may be used", "1")
    .option("--canary <number>", "with --availability: instances that only canaries use", "1")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan replicas --rate 100 --takes 50ms --within 200ms\n  portolan replicas --rate 5000000/d --peak 3 --takes 10ms --within 50ms --share 0.99\n  portolan replicas --rate 100 --takes 50ms --within 200ms --cold-start 40s --ramp 30/1min\n  portolan replicas --rate 20 --takes 20ms --within 200ms --availability 99.9",
    )
    .action((options: ReplicaOptions, command: Command) => {
      const { output } = contextOf(command);
      const question = questionOf(options);
      const answer = replicasFor(question);
      output.result({ question, ...answer }, answerText(question, answer));
    });
}

function questionOf(options: ReplicaOptions): ReplicaQuestion {
  const [, rate = "", day] = /^([\d.]+)(\/d)?$/.exec(options.rate) ?? [];
  const batch = numberOf("--batch", options.batch, 1, 10_000);
  const spare = numberOf("--spare", options.spare, 0, 1000);
  if (!Number.isInteger(batch) || !Number.isInteger(spare))
    throw badUsage("--batch and --spare are whole numbers", "Say --batch 16 --spare 1.");
  return {
    ...(options.availability === undefined
      ? {}
      : { availability: availabilityOf(options, options.availability) }),
    perSecond: numberOf("--rate", rate, 1e-6, 1e12) / (day === undefined ? 1 : 86_400),
    serviceSeconds: secondsOf("--takes", options.takes),
    withinSeconds: secondsOf("--within", options.within),
    share: numberOf("--share", options.share, 0.01, 0.999999),
    times: options.times,
    peak: numberOf("--peak", options.peak, 0.01, 1000),
    batch,
    batchWaitSeconds: options.batchWait === "0ms" ? 0 : secondsOf("--batch-wait", options.batchWait),
    spare,
    ...startOf(options),
  };
}

function startOf({ coldStart, ramp }: ReplicaOptions): Pick<ReplicaQuestion, "start"> {
  if (coldStart === undefined && ramp === undefined) return {};
  if (coldStart === undefined || ramp === undefined)
    throw badUsage("--cold-start and --ramp go together", "Say --cold-start 40s --ramp 30/1min.");
  const [, rise, time] = /^(\d+(?:\.\d+)?)\/(.+)$/.exec(ramp) ?? [];
  if (rise === undefined || time === undefined)
    throw badUsage(
      `--ramp ${ramp.slice(0, 40)} is no rise`,
      "Write it as 30/1min: 30 a second more within a minute.",
    );
  return {
    start: {
      coldStartSeconds: secondsOf("--cold-start", coldStart),
      ramp: numberOf("--ramp", rise, 0, 1e12) / secondsOf("--ramp", time),
    },
  };
}

function availabilityOf(
  { instance, zone, region, zones, regions, canary }: ReplicaOptions,
  target: string,
): NonNullable<ReplicaQuestion["availability"]> {
  const [mostZones, mostRegions, canaries] = [
    numberOf("--zones", zones, 1, 10),
    numberOf("--regions", regions, 1, 10),
    numberOf("--canary", canary, 0, 1000),
  ];
  if (![mostZones, mostRegions, canaries].every(Number.isInteger))
    throw badUsage("--zones, --regions and --canary are whole numbers", "Say --zones 3 --regions 2.");
  return {
    target: shareOf("--availability", target, 1, 99.9999999),
    instance: shareOf("--instance", instance, 10, 100),
    zone: shareOf("--zone", zone, 10, 100),
    region: shareOf("--region", region, 10, 100),
    mostZones,
    mostRegions,
    canary: canaries,
  };
}

/** Decimal digits are moved as digits: 99.9 is the number nearest to 0.999. */
function shareOf(option: string, text: string, least: number, most: number): number {
  return Number(`${numberOf(option, text.replace(/%$/, ""), least, most)}e-2`);
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = text === "" ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw badUsage(
    `${option} is no number of ${least} to ${most}`,
    "See the examples of portolan replicas --help.",
  );
}

function secondsOf(option: string, text: string): number {
  try {
    const ms = parseDurationMs(text);
    if (ms > 0) return ms / 1000;
  } catch {
    // Said below, with the option.
  }
  throw badUsage(`${option} ${text.slice(0, 40)} is no duration`, "Write it as 50ms or 2s.");
}

function answerText(
  { perSecond, peak, share, withinSeconds, batch }: ReplicaQuestion,
  answer: ReplicaAnswer,
): string {
  const { needed, spare, figures, beside, redundancy, start, batchFilled } = answer;
  const rate = Number((perSecond * peak).toPrecision(4));
  return [
    redundancy
      ? redundancyText(redundancy, start?.ready ?? needed, rate)
      : start
        ? `${start.ready + spare} replicas: ${needed} for ${rate} requests a second at the peak, ${start.ready - needed} for what comes while others start, ${spare} beyond.`
        : `${needed + spare} replicas: ${needed} for ${rate} requests a second at the peak, ${spare} beyond.`,
    ...(start
      ? [
          `Until a replica answers that is ordered now, ${figure(start.rise)} requests a second come in addition: one more is ordered above ${figure(start.perReplica)} a second and replica.`,
        ]
      : []),
    ...(batchFilled === undefined
      ? []
      : [`A batch has ${figure(batchFilled)} requests on average at the peak, ${batch} at most.`]),
    `${Number((100 * share).toPrecision(6))} % are asked for within ${1000 * withinSeconds} ms; ${(100 * (1 - figures.late)).toFixed(2)} % are.`,
    "",
    "replicas    busy   have to wait   mean wait   in time   at that share",
    ...beside.map(line),
  ].join("\n");
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function redundancyText(
  { layout, canary, spare, instances, shortMinutesPerMonth, layouts }: RedundancyAnswer,
  needed: number,
  rate: number,
): string {
  const percent = (share: number): string => `${(100 * share).toFixed(4)} %`;
  return [
    `${instances} replicas for ${rate} requests a second at the peak, ${needed} of them needed at once: ${layout.serving} serve, ${canary} for canaries, ${spare} spare.`,
    `As many are up ${percent(layout.availability)} of the time: ${shortMinutesPerMonth.toFixed(1)} minutes of 30 days are short.`,
    "",
    "regions   zones of each   serving   together   enough are up   instances of the zones",
    ...layouts.map((one) =>
      [
        String(one.regions).padStart(7),
        String(one.zones).padStart(16),
        String(one.serving).padStart(10),
        String(one.serving + canary + spare).padStart(11),
        percent(one.availability).padStart(16),
        `   ${one.spread.map((zones) => zones.join("+")).join(" | ")}${one === layout ? "  <" : ""}`,
      ].join(""),
    ),
    "",
  ].join("\n");
}

function line({
  replicas,
  utilisation,
  waitProbability,
  meanWaitMs,
  quantileMs,
  late,
}: QueueFigures): string {
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
  const ms = (value: number | null) => (value === null ? "no end" : `${value.toFixed(1)} ms`);
  return [
    String(replicas).padStart(8),
    percent(utilisation).padStart(8),
    percent(waitProbability).padStart(15),
    ms(meanWaitMs).padStart(12),
    percent(1 - late).padStart(10),
    ms(quantileMs).padStart(16),
  ].join("");
}
