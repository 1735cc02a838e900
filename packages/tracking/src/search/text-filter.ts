import type { KeyValue } from "../contract.ts";
import { compareNumbers, likeForm } from "./comparisons.ts";
import { bad, Reader, readList, readText } from "./filter-reader.ts";

/** What a filter looks at: attributes by MLflow's names, of which numbers are compared as such, and tags. */
export interface Filtered {
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly tags: readonly KeyValue[];
}

type Condition = (one: Filtered) => boolean;

const mostLength = 10_000;
const tagWords: readonly string[] = ["tags", "tag"];
const attributeWords: readonly string[] = ["attributes", "attribute", "attr"];

/**
 * Reads a filter by MLflow's grammar for registered models and versions: conditions over attributes and `tags.x`, joined by AND. What lacks a
 * tag is unlike any value of it. Pure.
 *
 * @param known attributes that there are
 * @throws PortolanError `tracking.invalid_value` with what is not understood
 */
export function parseTextFilter(text: string, known: readonly string[]): Condition {
  if (text.length > mostLength) throw bad(`the filter is longer than ${mostLength} characters`);
  const reader = new Reader(text);
  const conditions: Condition[] = [];
  while (!reader.isAtEnd) {
    if (conditions.length > 0) reader.take(/and\b/iy, "AND");
    conditions.push(readCondition(reader, known));
  }
  return (one) => conditions.every((holds) => holds(one));
}

function readCondition(reader: Reader, known: readonly string[]): Condition {
  const { isTag, key } = readKey(reader, known);
  const valueOf = ({ attributes, tags }: Filtered): string | number | undefined =>
    isTag ? tags.find((tag) => tag.key === key)?.value : attributes[key];
  const operator = reader.take(/>=|<=|!=|=|<|>|(?:in|ilike|like)\b/iy, "a comparison").toLowerCase();
  if (operator === "in") {
    const list = readList(reader);
    return (one) => list.includes(String(valueOf(one)));
  }
  if (operator.endsWith("like")) {
    const form = likeForm(readText(reader), operator === "ilike");
    return (one) => form.test(String(valueOf(one) ?? "\u0000"));
  }
  const number = reader.tryTake(/-?\d+/y);
  if (number !== undefined) return (one) => compareNumbers(operator, Number(valueOf(one)), Number(number));
  if (operator !== "=" && operator !== "!=")
    throw bad(`${key} is a text: compare it by =, !=, LIKE, ILIKE or IN`);
  const wanted = readText(reader);
  return (one) => (String(valueOf(one) ?? "\u0000") === wanted) === (operator === "=");
}

function readKey(
  reader: Reader,
  known: readonly string[],
): { readonly isTag: boolean; readonly key: string } {
  const first = reader.word();
  const isTag = tagWords.includes(first);
  const dotted = isTag || attributeWords.includes(first) ? reader.tryTake(/\./y) !== undefined : false;
  const key = dotted ? reader.word(true) : first;
  if (isTag && dotted) return { isTag, key };
  if (!known.includes(key))
    throw bad(`there is no attribute "${key.slice(0, 80)}"; there are ${known.join(", ")} and tags.x`);
  return { isTag: false, key };
}
