import { randomFillSync } from "node:crypto";
import type { EpochMicros } from "./time.ts";

declare const kindOf: unique symbol;

/** Every kind of id and its prefix. A prefix, once used, is never given another meaning. */
export const idPrefixes = {
  organisation: "org",
  businessUnit: "bu",
  team: "team",
  useCase: "uc",
  user: "usr",
  serviceAccount: "sa",
  apiKey: "key",
  signingKey: "sgk",
  roleBinding: "rb",
  request: "req",
  ledgerRow: "led",
  charter: "cht",
  charterSignature: "sig",
  plan: "pln",
  contract: "ctr",
  ingestion: "ing",
  dataset: "ds",
  featureView: "fv",
  trainingSet: "ts",
  featureLog: "flg",
  trainingRun: "run",
  clientRun: "crn",
  evaluation: "ev",
  textSet: "evs",
  comparison: "cmp",
  model: "mdl",
  modelVersion: "mv",
  endpoint: "ep",
  deployment: "dep",
  halt: "hlt",
  displacement: "dsp",
  sunset: "sun",
  snapshot: "snp",
  job: "job",
  intent: "int",
  writer: "wr",
  erasure: "ers",
  archive: "arc",
  legalHold: "hld",
  scoring: "sco",
  notice: "ntc",
  subscription: "sub",
  release: "rel",
  alert: "alr",
  alertRoute: "art",
  incident: "inc",
  retraining: "rtr",
  flag: "flg",
  flagChange: "fch",
  pipelineRun: "plr",
  review: "rev",
  feedback: "fbk",
} as const;

export type IdKind = keyof typeof idPrefixes;

/** `<prefix>_<26 characters>`: time-sortable, 80 random bits, safe in URLs and file names. */
export type Id<K extends IdKind> = string & { readonly [kindOf]: K };

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base 32, lower case

export function newId<K extends IdKind>(kind: K, now: EpochMicros): Id<K> {
  return `${idPrefixes[kind]}_${timePart(now)}${randomPart()}` as Id<K>;
}

/** `undefined` when the text is not an id of that kind. */
export function parseId<K extends IdKind>(kind: K, text: string): Id<K> | undefined {
  const prefix = `${idPrefixes[kind]}_`;
  if (!text.startsWith(prefix)) return undefined;
  return /^[0-9a-hjkmnp-tv-z]{26}$/.test(text.slice(prefix.length)) ? (text as Id<K>) : undefined;
}

/** Milliseconds in 10 characters (50 bits): sorts as text until the year 37648. */
function timePart(now: EpochMicros): string {
  const millis = Math.floor(now / 1000);
  if (millis === lastMillis) return lastTimePart;
  let rest = millis;
  let text = "";
  for (let i = 0; i < 10; i++) {
    text = alphabet.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  lastMillis = millis;
  lastTimePart = text;
  return text;
}

/** Ids come in bursts within a millisecond. */
let lastMillis = -1;
let lastTimePart = "";

const randomCharacters = 16;
/** All pairs of characters: an id is put together from eight of them in half the time that sixteen characters take. */
const pairs = Array.from({ length: 1024 }, (_, n) => alphabet.charAt(n >> 5) + alphabet.charAt(n & 31));
/** One call to the system's generator for 256 ids: a call for each was a twentieth of a prediction's cost. */
const pool = new Uint16Array((256 * randomCharacters) / 2);
let used = pool.length;

function randomPart(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let text = "";
  for (const end = used + randomCharacters / 2; used < end; used++) text += pairs[(pool[used] ?? 0) & 1023];
  return text;
}
