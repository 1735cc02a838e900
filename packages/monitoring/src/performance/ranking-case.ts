import { ndcg } from "@portolan/numerics";
import { type Case, scoreTable } from "./case-values.ts";

/** Down to which rank of a list relevance counts, as evaluations of versions have it. */
const mostRanks = 10;

/**
 * One labelled ranking: an answer with a score for each row of its request, and the relevance that each row turned out to have. The score of a row is the last
 * value of its last floating-point output, as evaluations read it.
 *
 * @param outputs body of an Open Inference Protocol answer in JSON
 * @param outcome the relevances, in the order of the rows
 * @returns nothing where either cannot be read, there are fewer than two rows, or not as many relevances
 */
export function rankingCase(outputs: string | null, outcome: unknown): Case {
  const table = scoreTable(outputs);
  const relevances = Array.isArray(outcome) ? outcome.filter(isRelevance) : [];
  if (!table || table.rows < 2 || !Array.isArray(outcome)) return {};
  if (relevances.length !== outcome.length || relevances.length !== table.rows) return {};
  const columns = table.values.length / table.rows;
  const scores = relevances.map((_, row) => table.values[(row + 1) * columns - 1]);
  const numbers = scores.filter((score) => typeof score === "number" && Number.isFinite(score)) as number[];
  if (numbers.length !== table.rows) return {};
  const gain = ndcg(numbers, relevances, mostRanks);
  // Relevances near the largest double have a sum beyond it.
  return Number.isFinite(gain) ? { gain } : {};
}

function isRelevance(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
