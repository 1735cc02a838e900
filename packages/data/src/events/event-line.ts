import { countMembers } from "../values/count-members.ts";
import { jsonText, membersOf, readJsonCell } from "../values/json-cell.ts";

type Members = NonNullable<ReturnType<typeof membersOf>>;

/** An event as it is kept, until it is a row of a batch. */
export interface EventLine {
  readonly line: string;
  /** Absent for what is no event. */
  readonly members?: Members;
  /** Why it is none. */
  readonly error?: string;
}

/** Where something came from that is no event: what the dead letters of its batch say. */
export interface EventOrigin {
  /** E.g. `flights/3`, a topic and its partition; `req_…`, a request. */
  readonly source: string;
  /** Offset in the partition, or number in the request. */
  readonly position: string;
}

/** Text of a dead letter that is kept: enough to see what it is, and no more than a line may have however it is escaped. */
const keptCharacters = 64 * 1024;

/**
 * Reads an event. Pure. What is no JSON object is kept as an array, which is an event for no reader: its origin, the error, and what it said.
 *
 * @param text one JSON text
 */
export function eventLine(text: string, origin: EventOrigin): EventLine {
  const members = readMembers(text);
  if (typeof members === "string") return deadLetter(origin, members, text);
  // As it was understood: of a member that stands twice in an object within, the last.
  return { line: jsonText({ members }), members };
}

export function deadLetter({ source, position }: EventOrigin, error: string, text: string): EventLine {
  return {
    line: JSON.stringify([source, position, error, text.slice(0, keptCharacters).toWellFormed()]),
    error,
  };
}

function readMembers(text: string): Members | string {
  try {
    const members = membersOf(readJsonCell(text));
    if (!members) return "it is no JSON object";
    return countMembers(text) > members.size ? "it names a member twice" : members;
  } catch {
    return "it is no JSON";
  }
}
