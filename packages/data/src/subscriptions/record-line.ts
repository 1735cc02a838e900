import { deadLetter, type EventLine, eventLine } from "../events/event-line.ts";
import type { TopicRecord } from "../ports.ts";

/** A longer value is kept by the topic alone: its dead letter says where. */
const largestBytes = 16 * 2 ** 20;

/** What is kept of a record of a topic: an event, or a dead letter that names topic, partition and offset. Pure. */
export function recordLine(topic: string, { partition, offset, value }: TopicRecord): EventLine {
  const origin = { source: `${topic}/${partition}`, position: String(offset) };
  if (value === null) return deadLetter(origin, "it has no value", "");
  if (value.byteLength > largestBytes) {
    const head = new TextDecoder().decode(value.subarray(0, 2000));
    return deadLetter(origin, `it has ${value.byteLength} bytes; an event has ${largestBytes} at most`, head);
  }
  try {
    return eventLine(new TextDecoder("utf-8", { fatal: true }).decode(value), origin);
  } catch {
    return deadLetter(origin, "it is no UTF-8", new TextDecoder().decode(value.subarray(0, 2000)));
  }
}
