import { secretForms } from "@portolan/kernel";
import type { Evidence } from "./findings.ts";
import type { Program } from "./program.ts";

const secretName =
  /(^|_)(pass(word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|auth|credentials?|private_?key)(_|$|\d)/i;
/** What stands where a secret would: a name of a variable, a hint to fill it in, or next to nothing. */
const placeholder =
  /^(<.*>|\$\{?\w+\}?|x{3,}|\*{3,}|your[-_ ].*|changeme|todo|none|null|true|false|.{0,3})$/i;

/** Secrets that lie open in the program, its comments, its prose or its outputs: what and where, never which. */
export function openSecrets(program: Program): Evidence[] {
  const found = program.source.texts.flatMap(({ name, text }) =>
    secretForms.flatMap(({ what, pattern }) =>
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
  return secretForms.reduce((shown, { pattern }) => shown.replace(pattern, (secret) => masked(secret)), text);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
