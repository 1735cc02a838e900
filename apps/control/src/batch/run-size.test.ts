import { expect, test } from "vitest";
import { RunSize } from "./run-size.ts";

function answer(size: RunSize, times: number): void {
  for (let n = 0; n < times; n++) size.answered(size.rows);
}

test("after a stall runs grow to what they were", () => {
  const size = new RunSize(64);
  for (const rows of [64, 64, 64, 32, 16, 8]) size.late(rows);
  expect(size.rows).toBe(4);
  answer(size, 15);
  // A smaller one, as the last rows are, says nothing of larger ones.
  size.answered(3);
  expect(size.rows).toBe(4);
  answer(size, 1);
  expect(size.rows).toBe(8);
  answer(size, 3 * 16);
  expect(size.rows).toBe(64);
});

test("growing that was too much is tried less and less often", () => {
  const size = new RunSize(64);
  for (const rows of [64, 32]) size.late(rows);
  let answers = 0;
  for (let tries = 0; tries < 12; tries++) {
    while (size.rows < 32) {
      size.answered(size.rows);
      answers++;
    }
    size.late(32);
    expect(size.rows).toBe(16);
  }
  // 16, 32, 64 … 1024, and 1024 from then on.
  expect(answers).toBe(16 * (2 ** 7 - 1) + 5 * 1024);
});
