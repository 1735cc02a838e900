import type { AcceptedRange } from "../ports.ts";

/** Ranges that are kept of a batch for as long as the history reaches; each is a request among those of other places. */
export const mostRanges = 100;

/**
 * Numbers of a batch's events as they are noted once it is settled. Of a batch that many requests of other places came in between, one range of as many numbers
 * from its first on stands for them: the order within the batch stays what it was, and so does the order of batches that follow one another. Pure.
 */
export function keptNumbers(numbers: readonly AcceptedRange[]): readonly AcceptedRange[] {
  const [first] = numbers;
  if (!first || numbers.length <= mostRanges) return numbers;
  const count = numbers.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return [[first[0], first[0] + count - 1]];
}
