import { EventSplitter, type StreamEvent } from "@portolan/serving/policy";
import { nextOf } from "./first-answer.ts";
import type { TextAnswering, TextEnd, TextSent } from "./text-ending.ts";

/** What is kept of a stream for the record, as of a whole answer; of a longer one the beginning, and the record says so. */
const mostKeptBytes = 8 * 1024 * 1024;
const done = "[DONE]";

type Relayed = Pick<TextAnswering, "beginning" | "asked" | "meter">;

/** A stream while it comes: what of it is for the caller, what is kept of it, and how it ended. */
export class TextRelay {
  readonly #answering: Relayed;
  readonly #splitter = new EventSplitter();
  readonly #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #sentBytes = 0;
  #done: Buffer | undefined;
  #fault: TextEnd | undefined;

  constructor(answering: Relayed) {
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
