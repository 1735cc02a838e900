import { asEpochMicros, newId } from "@portolan/kernel";
import { expect, test } from "vitest";
import { isRunToken, mintRunToken, runOfToken } from "./run-token.ts";

const runId = newId("trainingRun", asEpochMicros(1_790_000_000_000_000));

test("a token names its run, is known by its digest alone, and shows itself in no text", () => {
  const { token, sha256 } = mintRunToken(runId);
  const text = token.reveal();
  expect(runOfToken(text)).toBe(runId);
  expect(isRunToken(text, sha256)).toBe(true);
  expect(isRunToken(mintRunToken(runId).token.reveal(), sha256)).toBe(false);
  expect(`${token.toString()} ${JSON.stringify({ token })}`).not.toContain(text);
  expect(sha256).not.toContain(text);
});

test.each([
  "",
  "ptk_dev_x",
  "ptr_",
  "ptr_short_secret",
  `${"ptr_"}${"0".repeat(26)}_${"a".repeat(42)}`,
  "a.b.c",
])("%j has not the form of one", (text) => {
  expect(runOfToken(text)).toBeUndefined();
});
