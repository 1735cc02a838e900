import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type EpochMicros, formatInstant, type Logger, messageOf } from "@portolan/kernel";
import type { Metrics } from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";

/** One request that was answered; no inputs, outputs or credentials. */
export interface AccessEntry {
  readonly receivedAt: EpochMicros;
  readonly requestId: string;
  /** Who asked, as far as that is known; else the address. */
  readonly principal: string;
  /** Of the monotonic clock, milliseconds. */
  readonly startMs: number;
  readonly answer: Pick<Answer, "status" | "code" | "headers" | "body">;
  readonly endpoint?: string | undefined;
  readonly environment?: string | undefined;
  /** `name/version` of the version that was to answer. */
  readonly model?: string | undefined;
  readonly variant?: string | undefined;
  readonly traceId?: string | undefined;
  readonly queueMicros?: number | undefined;
  readonly runMicros?: number | undefined;
  readonly bytesIn?: number | undefined;
  /** Of a stream, whose answer has no body. */
  readonly bytesOut?: number | undefined;
}

export interface AccessLogOptions {
  /** A file, or `-` for standard output. */
  readonly target: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** How long lines may wait for company. */
const flushMs = 200;
/** Lines that wait while the disk is slow or gone; beyond it new ones are dropped and counted. */
const mostWaitingBytes = 4 * 1024 * 1024;
const tellEveryMs = 60_000;
/** One write of the kernel's, so that lines of several processes with one file stay whole. */
const mostWriteCharacters = 128 * 1024;
/** A reader that has stopped, or a mount that hangs, must not hold up whoever ends. */
const longestCloseMs = 1000;

/**
 * A line of JSON per request, for tools that read such logs. The prediction log is the record; this one never holds a request up, and says
 * in `portolan_gateway_access_log_dropped_total` what it could not keep. The file is opened anew for each write, so that
 * it may be renamed at any time (logrotate).
 */
export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #dropped: { value: number };
  #lines: string[] = [];
  /** Characters that wait, those being written included. */
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    // Its reader may go: that is told to each write, and is no reason to end.
    if (options.target === "-") process.stdout.on("error", () => undefined);
    this.#dropped = options.metrics.counter(
      "portolan_gateway_access_log_dropped_total",
      "Requests that are not in the access log",
      {},
    );
  }

  add(entry: AccessEntry): void {
    const line = lineOf(entry);
    if (this.#waiting + line.length > mostWaitingBytes) {
      this.#dropped.value++;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    this.#timer ??= setTimeout(() => void this.#flush(), flushMs);
  }

  /** Writes what waits, if that is soon done. */
  async close(): Promise<void> {
    const written = async (): Promise<void> => {
      await this.#writing;
      await this.#flush();
    };
    await Promise.race([written(), sleep(longestCloseMs, undefined, { ref: false })]);
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What comes during a write goes with the next.
    if (this.#writing || this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#writing = this.#write(lines);
    await this.#writing;
    this.#writing = undefined;
    if (this.#lines.length > 0) this.#timer ??= setTimeout(() => void this.#flush(), flushMs);
  }

  async #write(lines: readonly string[]): Promise<void> {
    for (const some of portions(lines)) {
      const text = some.join("");
      try {
        if (this.#options.target === "-") await toStandardOutput(text);
        else await append(this.#options.target, text);
      } catch (error) {
        this.#dropped.value += some.length;
        this.#tell(error);
      }
      this.#waiting -= text.length;
    }
  }

  #tell(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < tellEveryMs) return;
    this.#toldMs = nowMs;
    this.#options.log.error({ error: messageOf(error) }, "gateway.access_log.failed");
  }
}

function* portions(lines: readonly string[]): Generator<string[]> {
  let some: string[] = [];
  let size = 0;
  for (const line of lines) {
    if (size + line.length > mostWriteCharacters && some.length > 0) {
      yield some;
      [some, size] = [[], 0];
    }
    some.push(line);
    size += line.length;
  }
  if (some.length > 0) yield some;
}

/** Times in milliseconds, sizes in bytes; what is not known of a request is left out. */
function lineOf({
  receivedAt,
  startMs,
  answer,
  queueMicros,
  runMicros,
  bytesOut,
  ...known
}: AccessEntry): string {
  const { status, code, headers, body } = answer;
  const line = {
    time: formatInstant(receivedAt),
    ...known,
    predictionId: headers["x-portolan-prediction-id"],
    status,
    code: code === "" ? undefined : code,
    answeredBy: headers["x-portolan-answered-by"],
    durationMs: Math.round((performance.now() - startMs) * 1000) / 1000,
    queueMs: queueMicros === undefined ? undefined : queueMicros / 1000,
    runMs: runMicros === undefined ? undefined : runMicros / 1000,
    bytesOut: bytesOut ?? body.length,
  };
  return `${JSON.stringify(line)}\n`;
}

/** Without waiting where the target is a pipe: one that nobody reads would hold a thread for ever. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

async function append(target: string, text: string): Promise<void> {
  const file = await open(target, flags, 0o600);
  try {
    await file.appendFile(text);
  } finally {
    await file.close();
  }
}

function toStandardOutput(text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
  );
}
