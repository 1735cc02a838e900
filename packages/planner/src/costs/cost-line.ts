import type { CharterDocument } from "@portolan/charter/contract";
import { type Currency, type EpochMicros, isPortolanError } from "@portolan/kernel";
import type { Assumptions } from "../assumptions.ts";
import type { Placement, PriceBook, PricedResource, PricingModel } from "../price-book.ts";
import { type ChosenPrice, choosePrice } from "../price-choice.ts";
import { type Cost, costOf, type Quantity } from "../range.ts";
import type { Tier } from "../tier.ts";
import { largeCardFromBytes } from "./card-assumptions.ts";
import type { WorkloadPlaces } from "./workloads.ts";

export const costCategories = [
  "training",
  "fine_tuning",
  "inference",
  "batch_inference",
  "retrieval",
  "storage",
  "egress",
  "platform",
  "compliance",
  "people",
] as const;
export type CostCategory = (typeof costCategories)[number];

/** One line of the plan: price times quantity, both shown. */
export interface CostLine {
  readonly category: CostCategory;
  readonly what: string;
  readonly unit: string;
  readonly quantity: Quantity;
  readonly price?: ChosenPrice;
  readonly cost: Cost;
}

export interface CostBreakdown {
  readonly lines: readonly CostLine[];
  /** The exact sum of all lines but people: what a bill of machines would say, compared with the ceiling. */
  readonly infrastructure: Cost;
  /** The exact sum of all lines. */
  readonly total: Cost;
}

export interface CostQuestion {
  readonly document: CharterDocument;
  readonly assumptions: Assumptions;
  readonly training: Placement;
  readonly inference: Placement;
  /** Where batch inference, retrieval and fine-tuning may be; absent: none is priced apart. */
  readonly places?: WorkloadPlaces;
  readonly tier: Tier;
  readonly book: PriceBook;
  /** Prices of sellers that training and batches may use too; absent: those of `book`. */
  readonly trainingBook?: PriceBook;
  readonly currency: Currency;
  readonly now: EpochMicros;
  /** Absent: as plain as can be: whole cores and cards, all on demand, as many as the ceiling takes. */
  readonly practice?: Practice;
}

/** How machines are run and paid for. Levers set these, and the plan is made again. */
export interface Practice {
  /** A replica asks for the part of a core that the ceiling takes. */
  readonly rightSized?: boolean;
  /** Replicas follow the load. */
  readonly autoscaled?: boolean;
  /** Slices of cards (MIG) in the place of whole ones. */
  readonly pooled?: boolean;
  /** Training on machines that may be taken away. */
  readonly spotTraining?: boolean;
  /** Replicas that run all month are paid for so; what the price book has no such price for stays on demand. */
  readonly steady?: PricingModel;
  /** Whether batches have cards; absent: by the size of the model. */
  readonly batchOnCards?: boolean;
}

/** GPU models that the article's figures are about, for training and large models. */
export const gpuModels = ["A100", "H100"] as const;
/** Those that answer for models which they have the memory for. */
export const smallGpuModels: readonly string[] = ["L4"];

/** Cards that would do for what answers. */
export function servingCards({ assumptions, practice }: CostQuestion): readonly string[] {
  // Only the large ones can be cut into slices.
  const isLarge = practice?.pooled === true || assumptions.modelBytes.value.expected > largeCardFromBytes;
  return isLarge ? gpuModels : smallGpuModels;
}

interface LinePart {
  readonly category: CostCategory;
  readonly what: string;
  readonly unit: string;
  readonly quantity: Quantity;
  readonly products?: readonly string[];
  readonly pricing?: PricingModel;
  /** What is beside training, and of no category of its own. */
  readonly forTraining?: boolean;
}

/** Nobody waits for training and batches: they may be where less availability is promised than answers need. */
export function bookFor({ book, trainingBook = book }: CostQuestion, category: CostCategory): PriceBook {
  return category === "training" || category === "fine_tuning" || category === "batch_inference"
    ? trainingBook
    : book;
}

/**
 * One line, priced.
 *
 * @throws PortolanError `planner.price_missing` where the book has none
 */
export function costLine(
  question: CostQuestion,
  placement: Placement,
  resource: PricedResource,
  part: LinePart,
): CostLine {
  const { products, pricing, forTraining, ...shown } = part;
  const book = bookFor(question, forTraining === true ? "training" : part.category);
  const price = priceOnce(book, question, { resource, placement, products, pricing });
  return { ...shown, price, cost: costOf(price.price, part.quantity) };
}

interface Asked {
  readonly resource: PricedResource;
  readonly placement: Placement;
  readonly products: readonly string[] | undefined;
  readonly pricing: PricingModel | undefined;
}

/** A plan is made many times over for its levers, and asks one book for the same few prices. */
const found = new WeakMap<PriceBook, Map<string, ChosenPrice>>();

function priceOnce(book: PriceBook, { currency, now }: CostQuestion, asked: Asked): ChosenPrice {
  const { resource, placement, products, pricing } = asked;
  const known = found.get(book) ?? new Map<string, ChosenPrice>();
  found.set(book, known);
  const key = [resource, placement, products?.join("+"), pricing, currency, now].join(" ");
  const before = known.get(key);
  if (before) return before;
  const price = choosePrice(book, {
    resource,
    placement,
    currency,
    now,
    ...(products ? { products } : {}),
    ...(pricing ? { pricing } : {}),
  });
  known.set(key, price);
  return price;
}

/** Whether the book has a price. */
export function isPriced(
  question: CostQuestion,
  book: PriceBook,
  asked: Omit<Asked, "products" | "pricing"> & Partial<Pick<Asked, "products" | "pricing">>,
): boolean {
  try {
    priceOnce(book, question, { products: undefined, pricing: undefined, ...asked });
    return true;
  } catch (error) {
    if (isPortolanError(error) && error.code === "planner.price_missing") return false;
    throw error;
  }
}
