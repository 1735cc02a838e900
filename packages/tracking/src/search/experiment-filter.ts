import type { KeyValue } from "../contract.ts";
import { compareNumbers, likeForm } from "./comparisons.ts";
import { bad, Reader, readText } from "./filter-reader.ts";

/** What a filter of experiments looks at. */
export interface FilteredExperiment {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970; absent for an organisation's own experiments, which nobody made. */
  readonly createdMs?: number;
  readonly tags: readonly KeyValue[];
}

type Condition = (experiment: FilteredExperiment) => boolean;

const mostLength = 10_000;
const tagWords: readonly string[] = ["tags", "tag"];
const attributeWords: readonly string[] = ["attributes", "attribute", "attr"];
const times: readonly string[] = ["creation_time", "last_update_time"];

/**
 * Reads a filter of experiments by MLflow's grammar: conditions over `name`, `creation_time`, `last_update_time` and `tags.x`, joined by
 * AND. An experiment is never changed here, so that both times are the one of its use case. Pure.
 *
 * @throws PortolanError `tracking.invalid_value` with what is not understood
 */
export function parseExperimentFilter(text: string): Condition {
  if (text.length > mostLength) throw bad(`the filter is longer than ${mostLength} characters`);
  const reader = new Reader(text);
  const conditions: Condition[] = [];
  while (!reader.isAtEnd) {
    if (conditions.length > 0) reader.take(/and\b/iy, "AND");
    conditions.push(readCondition(reader));
  }
  return (experiment) => conditions.every((holds) => holds(experiment));
}

function readCondition(reader: Reader): Condition {
  const { isTag, key } = readKey(reader);
  if (isTag) return textCondition(reader, key, (of) => of.tags.find((tag) => tag.key === key)?.value);
  if (key === "name") return textCondition(reader, key, (of) => of.name);
  const operator = reader.take(/>=|<=|!=|=|<|>/y, "a comparison of numbers");
  const wanted = Number(reader.take(/-?\d+/y, "a number of milliseconds"));
  return ({ createdMs }) => createdMs !== undefined && compareNumbers(operator, createdMs, wanted);
}

function readKey(reader: Reader): { readonly isTag: boolean; readonly key: string } {
  const first = reader.word();
  const isTag = tagWords.includes(first);
  const named = isTag || attributeWords.includes(first) ? reader.tryTake(/\./y) : undefined;
  if (isTag && named !== undefined) return { isTag, key: reader.word(true) };
  const key = named === undefined ? first : reader.word(true);
  if (key !== "name" && !times.includes(key))
    throw bad(
      `there is no attribute "${key.slice(0, 80)}"; experiments have name, ${times.join(", ")} and tags.x`,
    );
  return { isTag: false, key };
}

function textCondition(
  reader: Reader,
  key: string,
  valueOf: (experiment: FilteredExperiment) => string | undefined,
): Condition {
  const operator = reader.take(/!=|=|(?:ilike|like)\b/iy, `=, !=, LIKE or ILIKE after ${key}`).toLowerCase();
  const wanted = readText(reader);
  if (operator === "=") return (of) => valueOf(of) === wanted;
  if (operator === "!=") return (of) => valueOf(of) !== undefined && valueOf(of) !== wanted;
  const form = likeForm(wanted, operator === "ilike");
  return (of) => form.test(valueOf(of) ?? "\u0000");
}

type Compare = (a: FilteredExperiment, b: FilteredExperiment) => number;

/** Reads `order_by`; without any, the newest first, and of equals by id. @throws PortolanError `tracking.invalid_value` */
export function parseExperimentOrder(orderBy: readonly string[]): Compare {
  const byTime: Compare = (a, b) => (b.createdMs ?? 0) - (a.createdMs ?? 0);
  const orders = orderBy.length === 0 ? [byTime] : orderBy.map(readOrder);
  return (a, b) => {
    for (const order of orders) {
      const difference = order(a, b);
      if (difference !== 0) return difference;
    }
    return compareTexts(a.id, b.id);
  };
}

function readOrder(text: string): Compare {
  const reader = new Reader(text.slice(0, mostLength));
  const first = reader.word();
  const key =
    attributeWords.includes(first) && reader.tryTake(/\./y) !== undefined ? reader.word(true) : first;
  const sign = reader.tryTake(/(asc|desc)\b/iy)?.toLowerCase() === "desc" ? -1 : 1;
  if (!reader.isAtEnd) throw bad(`"${reader.rest}" is neither ASC nor DESC`);
  if (key === "name") return (a, b) => sign * compareTexts(a.name, b.name);
  if (key === "experiment_id") return (a, b) => sign * compareTexts(a.id, b.id);
  if (times.includes(key)) return (a, b) => sign * ((a.createdMs ?? 0) - (b.createdMs ?? 0));
  throw bad(
    `experiments are ordered by name, experiment_id, ${times.join(" or ")}, not "${key.slice(0, 80)}"`,
  );
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
