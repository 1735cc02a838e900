import type { Evidence } from "./findings.ts";
import type { Program } from "./program.ts";

interface Pattern {
  readonly what: string;
  /** Linear in the length of the text, with the secret as the whole match. */
  readonly pattern: RegExp;
}

const patterns: readonly Pattern[] = [
  { what: "an access key of AWS", pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g },
  { what: "a token of GitHub", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})\b/g },
  { what: "a token of GitLab", pattern: /\bglpat-[\w-]{20,64}\b/g },
  { what: "a token of Slack", pattern: /\bxox[abprs]-[\w-]{10,200}/g },
  { what: "a key of Google", pattern: /\bAIza[\w-]{35}\b/g },
  { what: "an API key", pattern: /\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,200}/g },
  { what: "a token of Hugging Face", pattern: /\bhf_[A-Za-z0-9]{30,60}\b/g },
  { what: "a private key", pattern: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/g },
  { what: "a JSON Web Token", pattern: /\beyJ[\w-]{10,200}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}/g },
  {
    what: "a password in an address",
    pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"']{1,100}:[^\s/@"']{1,200}@/gi,
  },
];

const secretName =
  /(^|_)(pass(word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|auth|credentials?|private_?key)(_|$|\d)/i;
/** What stands where a secret would: a name of a variable, a hint to fill it in, or next to nothing. */
const placeholder =
  /^(<.*>|\$\{?\w+\}?|x{3,}|\*{3,}|your[-_ ].*|changeme|todo|none|null|true|false|.{0,3})$/i;

/** Secrets that lie open in the program, its comments, its prose or its outputs: what and where, never which. */
export function openSecrets(program: Program): Evidence[] {
  const found = program.source.texts.flatMap(({ name, text }) =>
    patterns.flatMap(({ what, pattern }) =>
      firstMatches(text, pattern).map((match) => ({
        unit: name,
        line: lineAt(text, match.index),
        saw: `${what} (${masked(match[0])})`,
      })),
    ),
  );
  const named = program.facts.texts.flatMap(({ at, value, name }) =>
    name !== undefined && secretName.test(name) && !placeholder.test(value) && !/\s/.test(value)
      ? [{ unit: program.facts.units[at[0]]?.name ?? "", line: at[1], saw: `${name} = ${masked(value)}` }]
      : [],
  );
  const places = new Set(found.map(({ unit, line }) => `${unit}:${line}`));
  return [...found, ...named.filter(({ unit, line }) => !places.has(`${unit}:${line}`))];
}

/** More of a kind in one text help nobody, and each costs a look for its line. */
const mostMatches = 20;

function firstMatches(text: string, pattern: RegExp): RegExpExecArray[] {
  const found: RegExpExecArray[] = [];
  for (const match of text.matchAll(pattern)) if (found.push(match) === mostMatches) break;
  return found;
}

/** Nothing of it is shown but its length: a few characters of a short one are half of it. */
export function masked(secret: string): string {
  return `*** (${secret.length} characters)`;
}

/** A text of the program for showing it, without the secrets in it. */
export function withoutSecrets(text: string): string {
  return patterns.reduce((shown, { pattern }) => shown.replace(pattern, (secret) => masked(secret)), text);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
