import { existsSync, readdirSync } from "node:fs";
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@portolan/database/embedded";
import { createLogger, identityOf, type Logger, messageOf, type Secret } from "@portolan/kernel";
import { gatewayProcess } from "@portolan/serving/contract";
import type { CliContext } from "../context.ts";
import { childEnvironment } from "./child-environment.ts";
import { prepareInstallation, readGatewayKey } from "./installation.ts";
import { lastFault } from "./last-words.ts";
import { freePort } from "./ports.ts";
import { stallPace } from "./stall.ts";
import { type RunningProcess, type RunState, removeRunState, writeRunState } from "./state-file.ts";
import { type ProcessSpec, SupervisedProcess } from "./supervised-process.ts";
import { waitReady } from "./wait-ready.ts";

export interface Ports {
  readonly control: number;
  readonly gateway: number;
  /** Of the gateway's gRPC protocol; absent leaves it off. */
  readonly grpc?: number;
  /** Gateway processes that share those ports. */
  readonly gateways: number;
}

/** Gateways that share a port have an address each for their own metrics and readiness. */
export interface GatewayAddress {
  readonly name: string;
  readonly metricsUrl: string;
}

/** A gateway follows control within a second or two; beyond this its state is for people to look at. */
const servingLimitMs = 20_000;
const readyLimitMs = 60_000;
const databaseRestartMs = 200;
/** Deaths before it was ever ready that end the waiting: one may be bad luck, three are not. */
const hopelessDeaths = 3;

/** The first has the name that it had when it was the only one. */
function gatewayNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => (at === 0 ? "gateway" : `gateway-${at + 1}`));
}

/** What this supervisor names its gateways; whatever else lies in the folder of logs is nobody's to adopt. */
function isGatewayName(name: string): boolean {
  return /^gateway(-\d{1,3})?$/.test(name);
}

/** Keeps PostgreSQL, control and gateway alive on this machine, and says in `run/state.json` what runs. */
export class Supervisor {
  readonly #context: CliContext;
  readonly #ports: Ports;
  readonly #log: Logger;
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #running: Record<string, RunningProcess> = {};
  readonly #gatewayNames: readonly string[];
  /** Ports of their metrics, by name; empty where one gateway has the port to itself. */
  readonly #metricsPorts = new Map<string, number>();
  #database: EmbeddedPostgres | undefined;
  #databaseLoop: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #starting: Promise<unknown> = Promise.resolve();
  #ready = false;

  constructor(context: CliContext, ports: Ports) {
    this.#context = context;
    this.#ports = ports;
    this.#gatewayNames = gatewayNames(ports.gateways);
    // Standard output belongs to the command: under --json it is one document.
    this.#log = createLogger({ name: "supervisor", destination: process.stderr });
  }

  get state(): RunState {
    return {
      supervisor: identityOf(process.pid),
      ready: this.#ready,
      controlUrl: `http://127.0.0.1:${this.#ports.control}`,
      gatewayUrl: `http://127.0.0.1:${this.#ports.gateway}`,
      ...(this.#ports.grpc === undefined ? {} : { grpcAddress: `127.0.0.1:${this.#ports.grpc}` }),
      ...(this.#isShared ? { gateways: this.#gatewayAddresses() } : {}),
      database:
        this.#context.env["DATABASE_URL"] === undefined
          ? this.#database
            ? "embedded PostgreSQL"
            : "PGlite"
          : "DATABASE_URL",
      processes: { ...this.#running },
    };
  }

  /** Resolves when every process is ready; rejects as soon as `stop` is called before that. */
  start(): Promise<RunState> {
    const starting = this.#startAll(this.#stop.signal);
    this.#starting = starting.catch(() => undefined);
    return starting;
  }

  async #startAll(signal: AbortSignal): Promise<RunState> {
    const { home } = this.#context;
    await mkdir(join(home, "logs"), { recursive: true });
    this.#publish();
    // A gateway that was here before serves from what it has on disk, without waiting for anything else.
    const knownKey = await readGatewayKey(home);
    signal.throwIfAborted();
    if (this.#isShared) for (const name of this.#gatewayNames) this.#metricsPorts.set(name, await freePort());
    if (knownKey) this.#launchGateways(knownKey);
    const databaseUrl = this.#context.env["DATABASE_URL"] ?? (await this.#startDatabase());
    signal.throwIfAborted();
    const control = this.#launch("control", this.#controlSpec(databaseUrl));
    await this.#firstReady("control", `${this.state.controlUrl}/readyz`, control);
    const gatewayKey = await prepareInstallation(home, this.state.controlUrl);
    signal.throwIfAborted();
    await this.#gatewaysWith(gatewayKey, knownKey);
    signal.throwIfAborted();
    await Promise.all(this.#gatewayNames.map((name) => this.#gatewayAnswers(name)));
    await this.#servingSoon();
    this.#ready = true;
    this.#publish();
    return this.state;
  }

  get #isShared(): boolean {
    return this.#gatewayNames.length > 1;
  }

  #gatewayAddresses(): GatewayAddress[] {
    return [...this.#metricsPorts].map(([name, port]) => ({
      name,
      metricsUrl: `http://127.0.0.1:${port}/metrics`,
    }));
  }

  /** The gateways that run already, unless control no longer takes the key that they were started with. */
  async #gatewaysWith(key: Secret, startedWith: Secret | undefined): Promise<void> {
    if (startedWith?.reveal() === key.reveal()) return;
    await this.#stopGateways();
    this.#stop.signal.throwIfAborted();
    this.#launchGateways(key);
  }

  #launchGateways(key: Secret): void {
    for (const name of this.#gatewayNames) this.#launch(name, this.#gatewaySpec(name, key));
  }

  async #stopGateways(): Promise<void> {
    await Promise.all(this.#gatewayNames.map(async (name) => this.#processes.get(name)?.stop()));
  }

  /** Lives, whether it has something to serve or not. */
  async #gatewayAnswers(name: string): Promise<void> {
    const child = this.#processes.get(name);
    if (child) await this.#firstReady(name, this.#gatewayHealth(name), child);
  }

  /** Gateways that share a port are asked each at its own. */
  #gatewayHealth(name: string): string {
    const port = this.#metricsPorts.get(name);
    return port === undefined ? `${this.state.gatewayUrl}/healthz` : `http://127.0.0.1:${port}/metrics`;
  }

  /** Callers first, then what they call: the gateway drains while control still takes its last blocks. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#stopGateways();
    await this.#processes.get("control")?.stop();
    await this.#starting; // which may be making the database, and starts nothing more after that
    await this.#database?.stop();
    await this.#databaseLoop;
    await this.#database?.stop(); // one that came up again in the meantime
    removeRunState(this.#context.home);
  }

  /** At the first start a process that dies again and again is a fault of its setting: nobody need wait a minute. */
  #firstReady(name: string, url: string, child: SupervisedProcess): Promise<void> {
    const gaveUp = () =>
      child.restarts < hopelessDeaths
        ? undefined
        : `it ended ${child.restarts} times; ${lastFault(child.logFile)}`;
    return waitReady({ name, url, limitMs: readyLimitMs, gaveUp, signal: this.#stop.signal });
  }

  /**
   * What `up` reports as ready should serve. A gateway that lives but has nothing to serve from (its snapshot is too old,
   * its disk is full) is no reason not to start: `portolan status` says why.
   */
  async #servingSoon(): Promise<void> {
    const urls = this.#isShared
      ? [...this.#metricsPorts.values()].map((port) => `http://127.0.0.1:${port}/readyz`)
      : [`${this.state.gatewayUrl}/readyz`];
    const { signal } = this.#stop;
    const gaveUp = () => undefined;
    try {
      for (const url of urls)
        await waitReady({ name: "gateway", url, limitMs: servingLimitMs, gaveUp, signal });
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      this.#log.warn({ error: messageOf(error) }, "supervisor.gateway.not_serving");
    }
  }

  #launch(name: string, spec: ProcessSpec): SupervisedProcess {
    const child = new SupervisedProcess(spec, {
      started: (process, pid, restarts) => {
        this.#note(process, pid, restarts);
        this.#log.info({ process, childPid: pid, restarts }, "supervisor.process.started");
      },
      died: (process, how) => this.#log.error({ process, how }, "supervisor.process.died"),
      stalled: (process) => this.#log.error({ process }, "supervisor.process.stalled"),
    });
    this.#processes.set(name, child);
    child.start();
    return child;
  }

  /** `undefined` where this platform has no PostgreSQL binaries: control then opens PGlite itself. */
  async #startDatabase(): Promise<string | undefined> {
    if (this.#context.env["PORTOLAN_DATABASE"] === "pglite") return undefined;
    const started = await this.#openDatabase();
    this.#databaseLoop = this.#keepDatabase(started);
    return started.url;
  }

  async #openDatabase(): Promise<EmbeddedPostgres> {
    const file = join(this.#context.home, "logs", "postgres.log");
    const started = await startEmbeddedPostgres({
      folder: join(this.#context.home, "postgres"),
      log: (line) =>
        void appendFile(file, `${line}\n`).catch((error: unknown) =>
          this.#log.warn({ err: error }, "supervisor.log.failed"),
        ),
    });
    this.#database = started;
    this.#note("postgres", started.pid, (this.#running["postgres"]?.restarts ?? -1) + 1);
    return started;
  }

  async #keepDatabase(first: EmbeddedPostgres): Promise<void> {
    let current: EmbeddedPostgres | undefined = first;
    while (current && !this.#stop.signal.aborted) {
      const { expected, detail } = await current.exited;
      if (expected || this.#stop.signal.aborted) return;
      this.#log.error({ process: "postgres", how: detail }, "supervisor.process.died");
      current = await this.#reopenDatabase();
    }
  }

  /** `undefined` when the supervisor stops before the database came back. */
  async #reopenDatabase(): Promise<EmbeddedPostgres | undefined> {
    while (!this.#stop.signal.aborted) {
      try {
        return await this.#openDatabase();
      } catch (error) {
        this.#log.error({ err: error }, "supervisor.database.restart_failed");
        await delay(databaseRestartMs);
      }
    }
    return undefined;
  }

  #note(name: string, pid: number, restarts: number): void {
    this.#running[name] = { ...identityOf(pid), restarts };
    this.#publish();
  }

  /** A full disk must not end the one process that starts the others again. */
  #publish(): void {
    try {
      writeRunState(this.#context.home, this.state);
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, "supervisor.state.not_written");
    }
  }

  #controlSpec(databaseUrl: string | undefined): ProcessSpec {
    return this.#spec("control", "control", `${this.state.controlUrl}/healthz`, {
      CONTROL_PORT: String(this.#ports.control),
      DEV_ISSUER: "true",
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    });
  }

  /** Gateways that ran here before and are not started now: the first one takes care of what they logged. */
  #formerGateways(): string {
    const folder = join(this.#context.home, "predictions");
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => isGatewayName(name)) : [];
    return names.filter((name) => !this.#gatewayNames.includes(name)).join(",");
  }

  #gatewaySpec(name: string, gatewayKey: Secret): ProcessSpec {
    const metricsPort = this.#metricsPorts.get(name);
    return this.#spec("gateway", name, this.#gatewayHealth(name), {
      // Where they cannot count together, each keeps its part of a ceiling.
      LIMITS_GATEWAYS: this.#context.env["LIMITS_GATEWAYS"] ?? String(this.#gatewayNames.length),
      GATEWAY_NAME: name,
      ...(name === this.#gatewayNames[0] ? { LOG_ADOPT: this.#formerGateways() } : {}),
      ...(metricsPort === undefined
        ? {}
        : { METRICS_PORT: String(metricsPort), GATEWAY_SHARED_PORT: "true" }),
      GATEWAY_PORT: String(this.#ports.gateway),
      ...(this.#ports.grpc === undefined ? {} : { GRPC_PORT: String(this.#ports.grpc) }),
      CONTROL_URL: this.state.controlUrl,
      CONTROL_TOKEN: gatewayKey.reveal(),
    });
  }

  #spec(
    app: "control" | "gateway",
    name: string,
    url: string,
    settings: Readonly<Record<string, string>>,
  ): ProcessSpec {
    const { home, root } = this.#context;
    return {
      name,
      args: [...(app === "gateway" ? gatewayProcess.nodeFlags : []), join(root, "apps", app, "src/main.ts")],
      env: childEnvironment({ ...developmentFolders(home), ...this.#context.env }, app, {
        ...settings,
        PORTOLAN_HOME: home,
      }),
      logFile: join(home, "logs", `${name}.log`),
      stall: { url, ...stallPace },
    };
  }
}

/** A development installation may ask servers on this very machine, as it may ask issuers here, and has its connections in the state folder. The operator's own words win. */
function developmentFolders(home: string): Record<string, string> {
  return {
    UPSTREAM_ALLOWED_HOSTS: "localhost, 127.0.0.1, ::1",
    UPSTREAM_CREDENTIALS: join(home, "upstream-credentials"),
    DATA_CONNECTIONS: join(home, "data-connections"),
    ALERT_DESTINATIONS: join(home, "alert-destinations"),
  };
}
