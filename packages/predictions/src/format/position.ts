import { type Id, parseId } from "@portolan/kernel";
import type { PredictionId, PredictionPosition } from "../contract.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // the alphabet of kernel ids
const uint32 = 0xffff_ffff;

/** P1: the id is its position, so two writers, epochs or blocks can never make the same one. */
export function formatPredictionId(position: PredictionPosition): PredictionId {
  return `${predictionIdStem(position.writerId, position.epoch, position.block)}${toBase32(position.index)}` as PredictionId;
}

/** What all ids of a block begin with, its final underscore included. */
export function predictionIdStem(writerId: Id<"writer">, epoch: number, block: number): string {
  return `prd_${writerId.slice("wr_".length)}_${toBase32(epoch)}_${toBase32(block)}_`;
}

/** `undefined` when the text is not a prediction id in its one written form. */
export function parsePredictionId(text: string): PredictionPosition | undefined {
  const match = /^prd_([0-9a-z]{26})_([0-9a-z]{1,7})_([0-9a-z]{1,7})_([0-9a-z]{1,7})$/.exec(text);
  if (!match) return undefined;
  const writerId = parseId("writer", `wr_${match[1] ?? ""}`);
  const epoch = fromBase32(match[2] ?? "");
  const block = fromBase32(match[3] ?? "");
  const index = fromBase32(match[4] ?? "");
  if (writerId === undefined || epoch === undefined || block === undefined || index === undefined)
    return undefined;
  const position = { writerId, epoch, block, index };
  return formatPredictionId(position) === text ? position : undefined;
}

/** All numbers of two digits, leading zeros included: the id of each record is made on the way of its answer. */
const twoDigits = Array.from(
  { length: 1024 },
  (_, n) => alphabet.charAt(Math.floor(n / 32)) + alphabet.charAt(n % 32),
);

/** @param value whole, 0 to 2^32 - 1 */
export function toBase32(value: number): string {
  let rest = value;
  let text = "";
  for (; rest >= 1024; rest >>>= 10) text = `${twoDigits[rest & 1023]}${text}`;
  return rest < 32 ? alphabet.charAt(rest) + text : `${twoDigits[rest]}${text}`;
}

function fromBase32(text: string): number | undefined {
  let value = 0;
  for (const character of text) {
    const digit = alphabet.indexOf(character);
    if (digit < 0) return undefined;
    value = value * 32 + digit;
  }
  return value <= uint32 ? value : undefined;
}
