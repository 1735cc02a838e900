import type { SourceCall, SourceFacts } from "./facts.ts";
import type { Evidence } from "./findings.ts";
import type { ProgramSource } from "./notebook.ts";

/** A program with what was read of it. */
export interface Program {
  readonly source: ProgramSource;
  readonly facts: SourceFacts;
  /** Pinned and unpinned requirements that lie beside it, or that it installs. */
  readonly requirements: readonly string[];
  /** Modules that lie beside it. */
  readonly localModules: readonly string[];
}

/** Evidence at a place of the facts. */
export function seenAt({ facts }: Program, at: readonly [number, number], saw: string): Evidence {
  return { unit: facts.units[at[0]]?.name ?? "", line: at[1], saw };
}

/** Whether `a` stands before `b`. */
export function isBefore(a: SourceCall, b: SourceCall): boolean {
  return a.at[0] < b.at[0] || (a.at[0] === b.at[0] && a.at[1] < b.at[1]);
}

/** The last part of a dotted name. */
export function methodOf({ name }: SourceCall): string {
  return name.split(".").at(-1) ?? "";
}

/** Variables that a call is given, by position or keyword. */
export function namesGiven({ args, keywords }: SourceCall): string[] {
  return [...args, ...Object.values(keywords)].flatMap(({ names }) => names ?? []);
}

/** Whether the program imports a module, or one below it. */
export function importsAny({ facts }: Program, modules: readonly string[]): boolean {
  return facts.imports.some(({ module }) =>
    modules.some((one) => module === one || module.startsWith(`${one}.`)),
  );
}

/** Shell commands of a notebook with their places. */
export function commandsOf({ source }: Program): readonly { unit: string; line: number; text: string }[] {
  return source.units.flatMap(({ name, commands }) =>
    commands.map(({ line, text }) => ({ unit: name, line, text })),
  );
}
