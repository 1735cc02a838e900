import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type Id, parseId, Secret } from "@portolan/kernel";

/**
 * `ptr_<26 characters of the run's id>_<43 characters of secret>`. The prefix lets scanners find leaked ones, and tells them from
 * API keys (`ptk_`) and tokens before anything is looked up.
 */
const form = /^ptr_([0-9a-hjkmnp-tv-z]{26})_[A-Za-z0-9_-]{43}$/;

/** The run that a credential speaks for, or `undefined` when it has not the form of a run's token. */
export function runOfToken(text: string): Id<"trainingRun"> | undefined {
  const match = form.exec(text);
  return match ? parseId("trainingRun", `run_${match[1]}`) : undefined;
}

/** A new token of 256 random bits; the text is given to the trainer and kept nowhere, its SHA-256 is stored. */
export function mintRunToken(runId: string): { readonly token: Secret; readonly sha256: string } {
  const text = `ptr_${runId.slice("run_".length)}_${randomBytes(32).toString("base64url")}`;
  return { token: new Secret(text), sha256: hashOf(text) };
}

/** Whether the text is the token that was stored; in constant time. */
export function isRunToken(text: string, storedSha256: string): boolean {
  const [given, stored] = [Buffer.from(hashOf(text), "hex"), Buffer.from(storedSha256, "hex")];
  return given.length === stored.length && timingSafeEqual(given, stored);
}

/** A plain SHA-256, for the reason that ADR 0033 gives for API keys: 256 random bits cannot be guessed. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
