import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { IncidentFacts } from "./incident-schema.ts";

/**
 * A command with what the incident knows; what it does not know stays a word in capitals for the reader. A value that a shell could read as more
 * than a word stands in quotes: commands are pasted. Pure.
 */
export function fillStep(command: string, facts: IncidentFacts & { readonly id: string }): string {
  const known: Readonly<Record<string, string | null>> = {
    incident: facts.id,
    environment: facts.environment,
    endpoint: facts.endpoint,
    model: facts.model,
    version: facts.version,
    key: facts.apiKeyId,
    actor: facts.actorId,
    since: formatInstant(asEpochMicros(facts.startedAt)),
  };
  return command.replace(/\{([a-z]+)\}/g, (_whole, name: string) => {
    const value = known[name] ?? null;
    return value === null ? name.toUpperCase() : shellWord(value);
  });
}

/** One word of a POSIX shell, whatever is in it. A leading dash would be read as an option: such a value is left to the reader. */
function shellWord(value: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.:@/+-]*$/.test(value)) return value;
  return value.startsWith("-") ? "VALUE" : `'${value.replaceAll("'", `'\\''`)}'`;
}
