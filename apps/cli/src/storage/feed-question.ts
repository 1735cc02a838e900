import { type ArrangementQuestion, type TierName, tierNames } from "@portolan/capacity";
import type { Cost, Quantity } from "@portolan/planner/contract";
import type { CliContext } from "../context.ts";
import { bookOf, type PriceNotes, pricing } from "../ownership/card-prices.ts";
import { quantityOf, sizeOf, wholeIn } from "../ranges.ts";
import { badUsage } from "../read-input.ts";

export interface FeedOptions {
  readonly gpus: string;
  readonly gpusPerNode: string;
  readonly samples: string;
  readonly sample: string;
  readonly read?: string;
  readonly data: string;
  readonly epochs: string;
  readonly runs: string;
  readonly from?: TierName;
  readonly cache?: string;
  readonly cacheHit?: string;
  readonly nvme: string;
  readonly nvmeReads: string;
  readonly object: string;
  readonly objectReads: string;
  readonly hdd: string;
  readonly hddReads: string;
  readonly drive: string;
  readonly drives?: string;
  readonly gpu: string;
  readonly gpuHour?: string;
  readonly nvmePrice?: string;
  readonly hddPrice?: string;
  readonly objectPrice?: string;
  readonly currency: string;
  readonly prices?: string;
}

export interface AskedFeed {
  /** `low`: cards that take in least, from storage that gives most. */
  readonly questions: Readonly<Record<keyof Quantity, ArrangementQuestion>>;
  readonly nodes: number;
  readonly drives: number;
  readonly prices: PriceNotes;
  /** Where the data lies by plan, and the share that a cache answers; absent: any. */
  readonly plan?: { readonly source: TierName; readonly cached: Quantity };
}

export async function feedQuestion(context: CliContext, options: FeedOptions): Promise<AskedFeed> {
  const gpus = wholeIn("--gpus", options.gpus, 1, 100_000);
  const nodes = Math.ceil(gpus / wholeIn("--gpus-per-node", options.gpusPerNode, 1, 64));
  const samples = quantityOf("--samples", options.samples, 1e-6, 1e9);
  const sample = sizeOf("--sample", options.sample);
  const read = sizeOf("--read", options.read ?? options.sample);
  const data = sizeOf("--data", options.data);
  const drives =
    options.drives === undefined
      ? Math.ceil(data.expected / sizeOf("--drive", options.drive).expected)
      : wholeIn("--drives", options.drives, 1, 1_000_000);
  const rates = ratesOf(options, nodes, drives);
  const { notes, ...prices } = await pricesOf(context, options);
  const epochs = wholeIn("--epochs", options.epochs, 1, 1_000_000);
  const runsPerMonth = quantityOf("--runs", options.runs, 0, 1e6);
  const of = (which: keyof Quantity): ArrangementQuestion => {
    const fast = which === "low" ? "high" : which === "high" ? "low" : "expected";
    const tier = (name: TierName) => ({
      bytesPerSecond: rates[name].bytesPerSecond[fast],
      readsPerSecond: rates[name].readsPerSecond[fast],
      gbMonth: prices[name][which],
    });
    return {
      gpus,
      bytesPerSecondPerGpu: samples[which] * sample[which],
      // Large reads are the good case.
      readBytes: read[fast],
      datasetBytes: data[which],
      epochs,
      runsPerMonth: runsPerMonth[which],
      gpuHour: prices.gpuHour[which],
      tiers: { nvme: tier("nvme"), hdd: tier("hdd"), object: tier("object") },
    };
  };
  const plan = planOf(options, data);
  return {
    questions: { low: of("low"), expected: of("expected"), high: of("high") },
    nodes,
    drives,
    prices: notes,
    ...(plan ? { plan } : {}),
  };
}

function ratesOf(options: FeedOptions, nodes: number, drives: number) {
  const times = ({ low, expected, high }: Quantity, factor: number): Quantity => ({
    low: low * factor,
    expected: expected * factor,
    high: high * factor,
  });
  return {
    nvme: {
      bytesPerSecond: times(quantityOf("--nvme", options.nvme, 1e-3, 1e4), nodes * 1e9),
      readsPerSecond: times(quantityOf("--nvme-reads", options.nvmeReads, 1e-3, 1e9), nodes),
    },
    hdd: {
      bytesPerSecond: times(quantityOf("--hdd", options.hdd, 1e-3, 1e6), drives * 1e6),
      readsPerSecond: times(quantityOf("--hdd-reads", options.hddReads, 1e-3, 1e6), drives),
    },
    object: {
      bytesPerSecond: times(quantityOf("--object", options.object, 1e-3, 1e4), nodes * 1e9),
      readsPerSecond: times(quantityOf("--object-reads", options.objectReads, 1e-3, 1e9), nodes),
    },
  };
}

async function pricesOf(
  context: CliContext,
  options: FeedOptions,
): Promise<Readonly<Record<TierName | "gpuHour", Cost>> & { readonly notes: PriceNotes }> {
  const { priced, notes } = pricing(await bookOf(context, options.prices), options.currency);
  const placement = "cloud" as const;
  const gb = (name: TierName, stated: string | undefined) =>
    priced(`--${name}-price`, stated, { resource: `${name}_gb_month`, placement });
  return {
    gpuHour: priced("--gpu-hour", options.gpuHour, {
      resource: "gpu_hour",
      placement,
      products: [options.gpu],
    }),
    nvme: gb("nvme", options.nvmePrice),
    hdd: gb("hdd", options.hddPrice),
    object: gb("object", options.objectPrice),
    notes: notes(),
  };
}

function planOf({ from, cache, cacheHit }: FeedOptions, data: Quantity): AskedFeed["plan"] {
  if (cache !== undefined && cacheHit !== undefined)
    throw badUsage("a cache is said once, by --cache or by --cache-hit", "Say --cache 400GB.");
  const isCached = cache !== undefined || cacheHit !== undefined;
  if (from === undefined) {
    if (!isCached) return undefined;
    throw badUsage("a cache stands before a tier", `Say --from with one of ${tierNames.join(", ")}.`);
  }
  if (from === "nvme" && isCached) throw badUsage("NVMe needs no cache of NVMe", "Say --from object.");
  if (cacheHit !== undefined) {
    const hit = quantityOf("--cache-hit", cacheHit, 0, 1);
    // The good case hits most.
    return { source: from, cached: { low: hit.high, expected: hit.expected, high: hit.low } };
  }
  const bytes = cache === undefined ? undefined : sizeOf("--cache", cache);
  const share = (which: keyof Quantity, kept: keyof Quantity): number =>
    bytes ? Math.min(1, bytes[kept] / data[which]) : 0;
  return {
    source: from,
    cached: {
      low: share("low", "high"),
      expected: share("expected", "expected"),
      high: share("high", "low"),
    },
  };
}
