import { isPortolanError } from "@portolan/kernel";
import { EventSplitter, type StreamEvent } from "@portolan/serving/policy";
import { errorAnswer, fault } from "../http/answers.ts";
import { nextOf } from "./first-answer.ts";
import { openAiError } from "./openai-errors.ts";
import { endText, noteEnd, type TextAnswering, type TextEnd, type TextSent } from "./text-ending.ts";

/** What is kept of a stream for the record, as of a whole answer; of a longer one the beginning, and the record says so. */
const mostKeptBytes = 8 * 1024 * 1024;
const done = "[DONE]";

/**
 * A stream as it comes: whole events go on at once, byte for byte, and no further part is asked for before the caller has taken
 * the last. What was injected for metering is left out. The end is told only once the answer is on the record; a stream that
 * breaks off ends with an error event, so that nobody takes its part for the whole.
 */
export async function* relayStream(answering: TextAnswering, stop: () => void): AsyncGenerator<Uint8Array> {
  const relay = new Relay(answering);
  let isRecorded = false;
  try {
    for (let part: Uint8Array | undefined = answering.beginning.first; part; part = await relay.next()) {
      const forward = relay.take(part);
      if (forward.length > 0) yield forward;
      if (relay.hasEnded) break;
    }
    const end = relay.end();
    isRecorded = true;
    const last = end === "ok" ? relay.last() : errorEvent(end);
    const id = await endText(answering, end, relay.sent(end === "serving.client_gone" ? 0 : last.length));
    const named = Buffer.from(`: prediction ${id}\n\n`);
    yield Buffer.concat([named, last]);
  } catch (error) {
    // Only the log itself throws here: what is not on the record does not end as if it were.
    if (!isRecorded) throw error;
    const isTooLarge = isPortolanError(error) && error.code === "serving.record_too_large";
    const end = isTooLarge ? "serving.record_too_large" : "serving.log_unavailable";
    noteEnd(answering, end, relay.sent(0).bytes);
    yield errorEvent(error);
  } finally {
    // The caller left while it was being sent something, or had not taken it.
    if (!isRecorded) await endText(answering, "serving.client_gone", relay.sent(0)).catch(() => undefined);
    answering.beginning.abort();
    stop();
  }
}

class Relay {
  readonly #answering: TextAnswering;
  readonly #splitter = new EventSplitter();
  readonly #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #sentBytes = 0;
  #done: Buffer | undefined;
  #fault: TextEnd | undefined;

  constructor(answering: TextAnswering) {
    this.#answering = answering;
  }

  get hasEnded(): boolean {
    return this.#done !== undefined || this.#fault !== undefined;
  }

  /** The next part of the upstream's stream, for which it has as long as for the first; `undefined` at its end, however it ends. */
  async next(): Promise<Uint8Array | undefined> {
    const { beginning, asked } = this.#answering;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      beginning.abort();
    }, asked.timeoutMs);
    try {
      return await nextOf(beginning.rest);
    } catch {
      this.#fault = asked.gone.aborted
        ? "serving.client_gone"
        : isLate
          ? "serving.timeout"
          : "serving.upstream_broke_off";
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What of a part goes on to the caller now. */
  take(part: Uint8Array): Uint8Array {
    const forward: Uint8Array[] = [];
    try {
      for (const event of this.#splitter.push(part)) {
        if (!this.#judge(event)) continue;
        if (this.hasEnded) break;
        forward.push(event.bytes);
      }
    } catch {
      this.#fault = "serving.upstream_broke_off";
    }
    const [only] = forward;
    const bytes = forward.length === 1 && only ? only : Buffer.concat(forward);
    this.#keep(bytes);
    return bytes;
  }

  /** How it ended; `ok` only where the upstream said that this is the end. */
  end(): TextEnd {
    if (this.#fault) return this.#fault;
    if (this.#answering.meter.hasError) return "serving.model_failed";
    return this.#done ? "ok" : "serving.upstream_broke_off";
  }

  /**
   * What the caller was sent: kept without its end.
   * @param lastBytes of the end, which is sent once this is on the record
   */
  sent(lastBytes: number): TextSent {
    const kept = Buffer.concat(this.#kept);
    const isTruncated = this.#keptBytes < this.#sentBytes;
    return { kept, isTruncated, bytes: this.#sentBytes + lastBytes };
  }

  /** The upstream's last event, which was held back. */
  last(): Uint8Array {
    return this.#done ?? Buffer.alloc(0);
  }

  /** Whether the event goes on to the caller. */
  #judge({ data, bytes }: StreamEvent): boolean {
    if (data === undefined) return true;
    if (data.trim() === done) {
      this.#done = bytes;
      return false;
    }
    const { meter, asked, beginning } = this.#answering;
    const kind = meter.note(JSON.parse(data));
    // The upstream's words of an error may quote the version's prompt: the relay's own error ends the stream.
    if (kind === "error" && beginning.by.route.model.prompt !== undefined) return false;
    return kind !== "usage" || asked.request.wantsUsage;
  }

  #keep(bytes: Uint8Array): void {
    const room = mostKeptBytes - this.#keptBytes;
    this.#sentBytes += bytes.length;
    if (room <= 0 || bytes.length === 0) return;
    this.#kept.push(bytes.subarray(0, room));
    this.#keptBytes += Math.min(room, bytes.length);
  }
}

const texts: Partial<Record<TextEnd, string>> = {
  "serving.timeout": "The upstream sent nothing more in time.",
  "serving.model_failed": "The upstream failed within its answer.",
};

function errorEvent(end: unknown): Uint8Array {
  const error =
    typeof end === "string"
      ? fault(
          end as Exclude<TextEnd, "ok">,
          texts[end as TextEnd] ?? "The upstream broke off within its answer.",
          "Ask again.",
        )
      : end;
  return Buffer.from(`data: ${JSON.stringify(openAiError(error, errorAnswer(error, "")))}\n\n`);
}
