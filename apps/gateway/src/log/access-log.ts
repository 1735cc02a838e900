import { appendFile } from "node:fs/promises";
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

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#flush();
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
    const text = lines.join("");
    try {
      if (this.#options.target === "-") await toStandardOutput(text);
      else await appendFile(this.#options.target, text, { mode: 0o600 });
    } catch (error) {
      this.#dropped.value += lines.length;
      this.#tell(error);
    }
    this.#waiting -= text.length;
  }

  #tell(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < tellEveryMs) return;
    this.#toldMs = nowMs;
    this.#options.log.error({ error: messageOf(error) }, "gateway.access_log.failed");
  }
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

function toStandardOutput(text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
  );
}
