import { isPortolanError } from "@portolan/kernel";
import { errorAnswer, fault } from "../http/answers.ts";
import { mirrorText } from "./mirror-text.ts";
import { openAiError } from "./openai-errors.ts";
import { endText, noteEnd, type TextAnswering, type TextEnd } from "./text-ending.ts";
import { TextRelay } from "./text-relay.ts";

/**
 * A stream as it comes: whole events go on at once, byte for byte, and no further part is asked for before the caller has taken
 * the last. What was injected for metering is left out. The end is told only once the answer is on the record; a stream that
 * breaks off ends with an error event, so that nobody takes its part for the whole.
 */
export async function* relayStream(answering: TextAnswering, stop: () => void): AsyncGenerator<Uint8Array> {
  const relay = new TextRelay(answering);
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
    if (end === "ok") mirrorText(answering);
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
