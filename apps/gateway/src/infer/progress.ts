import type { IncomingMessage } from "node:http";
import type { EpochMicros, Id } from "@portolan/kernel";
import type { BodyBytes, PredictionRecord } from "@portolan/predictions/contract";
import type { TraceContext } from "@portolan/telemetry";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { Admission } from "./admission.ts";
import { readSubject } from "./admit.ts";
import type { ChainAnswer } from "./answer-chain.ts";
import type { FlagDecision } from "./flagged-version.ts";
import type { UpstreamCalls } from "./upstream-calls.ts";

/** What is known of a request so far; a refusal is logged with whatever there is. */
export interface Progress {
  readonly requestId: Id<"request">;
  readonly receivedAt: EpochMicros;
  readonly startMs: number;
  principal: string;
  /** The caller's address is in none of the networks inside. */
  readonly isOutside: boolean;
  admission?: Partial<Admission>;
  /** The version that is to answer. */
  active?: ActiveRoute;
  /** The request names the version that is to answer: no rule or share chose it. */
  namesVersion?: boolean;
  /** Whom the caller says that the request is about. */
  subject?: string;
  /** The flag that decided which version is to answer. */
  flag?: FlagDecision;
  authMicros?: number;
  /** Where it stands in a trace; absent where none are made. */
  traced?: TraceContext;
  /** What it asked of servers elsewhere. */
  upstreams?: UpstreamCalls;
  /** Where the time of the answer went. `readyMs`: when the body was there. */
  timed?: Timed & { readonly readyMs: number; readonly isFallback: boolean };
  logStartMs?: number;
  logEndMs?: number;
  body?: Uint8Array;
  headers: Record<string, string>;
}

/** @throws PortolanError `serving.bad_request` for what is no name of somebody */
export function noteSubject(progress: Progress, headers: IncomingMessage["headers"]): void {
  const subject = readSubject(headers);
  if (subject !== undefined) progress.subject = subject;
}

export function sinceMicros({ startMs }: Progress): number {
  return Math.round((performance.now() - startMs) * 1000);
}

/** Of the request's body and of `out` bytes that went to the caller. */
export function bytesOf({ body, isOutside }: Progress, out: number): BodyBytes {
  const received = body?.length ?? 0;
  return isOutside ? { in: received, out, outside: true } : { in: received, out };
}

type Timed = Pick<ChainAnswer, "featuresMicros" | "queueMicros" | "runMicros">;

export function latencyOf(progress: Progress, answer: Timed = {}): PredictionRecord["latency"] {
  const latency: { -readonly [K in keyof PredictionRecord["latency"]]: PredictionRecord["latency"][K] } = {
    totalMicros: sinceMicros(progress),
  };
  if (progress.authMicros !== undefined) latency.authMicros = progress.authMicros;
  if (answer.featuresMicros !== undefined) latency.featuresMicros = answer.featuresMicros;
  if (answer.queueMicros !== undefined) latency.queueMicros = answer.queueMicros;
  if (answer.runMicros !== undefined) latency.runMicros = answer.runMicros;
  return latency;
}

/** The `Server-Timing` field: milliseconds by part. */
export function serverTiming(progress: Progress, answer: Timed, logMicros: number): string {
  let text = "";
  if (progress.authMicros !== undefined) text += `auth;dur=${millisText(progress.authMicros)}, `;
  if (answer.featuresMicros !== undefined) text += `features;dur=${millisText(answer.featuresMicros)}, `;
  if (answer.queueMicros !== undefined) text += `queue;dur=${millisText(answer.queueMicros)}, `;
  if (answer.runMicros !== undefined) text += `run;dur=${millisText(answer.runMicros)}, `;
  return `${text}log;dur=${millisText(logMicros)}, total;dur=${millisText(sinceMicros(progress))}`;
}

/** What follows the whole number: nothing for 0, `.5` for 500. */
const thousandths = Array.from({ length: 1000 }, (_, n) => String(n / 1000).slice(1));

/** The same text as `micros / 1000`. Written as two whole numbers: a fraction's text takes three times as long, and every answer has five of them. */
export function millisText(micros: number): string {
  const fraction = micros >= 0 ? thousandths[micros % 1000] : undefined;
  return fraction === undefined ? String(micros / 1000) : `${Math.floor(micros / 1000)}${fraction}`;
}
