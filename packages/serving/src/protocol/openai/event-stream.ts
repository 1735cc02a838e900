/** An event of a stream as it came, and what its `data` fields say. */
export interface StreamEvent {
  /** With the empty line that ends it. */
  readonly bytes: Buffer;
  /** Absent for comments and other fields alone. */
  readonly data?: string;
}

/** An event of a text model is a few hundred bytes; a megabyte without an end is no event. */
const mostBytes = 1024 * 1024;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a body of `text/event-stream` into its events without changing a byte: what has arrived as a whole is given at once, what has
 * not is kept until it has.
 */
export class EventSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws RangeError for an event that does not end */
  push(chunk: Uint8Array): StreamEvent[] {
    let bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const events: StreamEvent[] = [];
    for (let end = endOfEvent(bytes); end !== -1; end = endOfEvent(bytes)) {
      events.push(eventOf(bytes.subarray(0, end)));
      bytes = bytes.subarray(end);
    }
    if (bytes.length > mostBytes) throw new RangeError("an event does not end");
    this.#rest = bytes;
    return events;
  }

  /** What came after the last whole event. */
  get rest(): Buffer {
    return this.#rest;
  }
}

/** Behind the first empty line, however its lines end; -1 when there is none. */
function endOfEvent(bytes: Buffer): number {
  for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) {
    const next = bytes[at + 1] === carriageReturn ? at + 2 : at + 1;
    if (bytes[next] === lineFeed) return next + 1;
  }
  return -1;
}

function eventOf(bytes: Buffer): StreamEvent {
  const lines = bytes
    .toString("utf8")
    .split(/\r?\n/)
    .flatMap((line) => (line.startsWith("data:") ? [line.slice("data:".length).replace(/^ /, "")] : []));
  return lines.length === 0 ? { bytes } : { bytes, data: lines.join("\n") };
}
