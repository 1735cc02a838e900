import type { JsonValue } from "@portolan/kernel";

/** UTF-8 bytes of a token of usual text, as byte-pair encodings have it on average. */
const bytesPerToken = 4;
/** What surrounds a message or a list's item. */
const perItem = 4;
/** An image or sound that is sent along, whatever its size: models scale it to a bounded number of patches. */
const perAttachment = 1000;

/** Tokens of what is sent to a model, guessed from its texts alone: no tokenizer is the upstream's own. Pure. */
export function estimateTokens(value: JsonValue): number {
  if (typeof value === "string") return value.startsWith("data:") ? perAttachment : tokensOf(value);
  // Numbers in a list are tokens already.
  if (typeof value === "number" || typeof value === "boolean") return 1;
  if (value === null || typeof value !== "object") return 0;
  if (Array.isArray(value)) {
    const isTokens = value.every((one) => typeof one === "number");
    return isTokens
      ? value.length
      : value.reduce<number>((sum, one) => sum + perItem + estimateTokens(one), 0);
  }
  return Object.values(value).reduce<number>((sum, one) => sum + estimateTokens(one), 0);
}

/** At least one for a text that is not empty. */
export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}
