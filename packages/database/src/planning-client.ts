import { plannedOnce } from "@portolan/kernel";
import { Client } from "pg";

/** Each costs memory on every connection: a text that is not always the same would fill it. */
const mostNames = 200;
const names = new Map<string, string>();

type Query = (...args: unknown[]) => unknown;

/** A client that lets the server keep the plans of statements that end in `plannedOnce`, one for each connection. */
export class PlanningClient extends Client {
  // Any of the driver's many forms: only a text with values, which is what kysely sends, is looked at.
  override query = ((...args: unknown[]) => {
    const query = super.query.bind(this) as Query;
    const [text, values] = args;
    if (args.length !== 2 || typeof text !== "string" || !Array.isArray(values)) return query(...args);
    const name = text.endsWith(plannedOnce) ? nameOf(text) : undefined;
    return name === undefined ? query(...args) : query({ name, text, values });
  }) as Client["query"];
}

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= mostNames) return known;
  const name = `planned_once_${names.size + 1}`;
  names.set(text, name);
  return name;
}
