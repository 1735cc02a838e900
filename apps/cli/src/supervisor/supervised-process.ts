import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "@portolan/kernel";
import { type StallBound, untilStalled } from "./stall.ts";

export interface ProcessSpec {
  readonly name: string;
  /** Node arguments: the entry point and its arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Absent: nobody looks whether it stands still. */
  readonly stall?: StallBound;
}

export interface ProcessEvents {
  readonly started: (name: string, pid: number, restarts: number) => void;
  readonly died: (name: string, how: string) => void;
  /** It stands still and is killed; its end is told next. */
  readonly stalled: (name: string) => void;
}

/** First restart after 50 ms, so that a crash costs well under a second; a crash loop backs off to five seconds. */
const firstDelayMs = 50;
const longestDelayMs = 5000;
/** A process that lived this long has earned a fast restart again: no loop is hotter than one start in two seconds. */
const healthyAfterMs = 2000;
/** From SIGTERM to SIGKILL at shutdown. */
const graceMs = 10_000;

/** One child that is started again whenever it dies, until it is stopped. */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #events: ProcessEvents;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #restarts = 0;
  #delayMs = firstDelayMs;
  #loop: Promise<void> | undefined;

  constructor(spec: ProcessSpec, events: ProcessEvents) {
    this.#spec = spec;
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get logFile(): string {
    return this.#spec.logFile;
  }

  start(): void {
    this.#loop ??= this.#keepAlive();
  }

  /** SIGTERM, then SIGKILL after the grace period; resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const child = this.#child;
    child?.kill("SIGTERM");
    const killer = setTimeout(() => child?.kill("SIGKILL"), graceMs);
    await this.#loop;
    clearTimeout(killer);
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const how = await this.#runOnce();
      if (signal.aborted) return;
      this.#events.died(this.#spec.name, how);
      this.#restarts++;
      if (performance.now() - startedAt > healthyAfterMs) this.#delayMs = firstDelayMs;
      await delay(this.#delayMs, undefined, { signal }).catch(() => undefined);
      this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
    }
  }

  /** Resolves to how it ended; what keeps it from starting (a full disk) is such an end too. */
  async #runOnce(): Promise<string> {
    let log: number | undefined;
    const ended = new AbortController();
    try {
      mkdirSync(dirname(this.#spec.logFile), { recursive: true });
      log = openSync(this.#spec.logFile, "a", 0o600);
      const child = spawn(process.execPath, [...this.#spec.args], {
        env: this.#spec.env,
        stdio: ["ignore", log, log],
      });
      this.#child = child;
      const exited = new Promise<string>((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
      });
      if (child.pid !== undefined) this.#events.started(this.#spec.name, child.pid, this.#restarts);
      void this.#killStalled(child, ended.signal);
      return await exited;
    } catch (error) {
      return messageOf(error);
    } finally {
      ended.abort();
      if (log !== undefined) closeSync(log);
    }
  }

  async #killStalled(child: ChildProcess, signal: AbortSignal): Promise<void> {
    const { stall, name } = this.#spec;
    if (stall === undefined || child.pid === undefined) return;
    if (!(await untilStalled(child.pid, stall, signal))) return;
    this.#events.stalled(name);
    child.kill("SIGKILL");
  }
}
