import { holmAdjusted } from "@portolan/numerics";
import { type BenignQuery, type Calibration, calibrate } from "./calibration.ts";
import type { Query } from "./query-space.ts";
import { QueryWindow, type WindowStatistic } from "./query-window.ts";
import type { Draws } from "./seeded-draws.ts";

export interface ExtractionMonitorOptions {
  readonly windowQueries: number;
  /** Queries from which the benign is learnt; at least forty windows' worth. */
  readonly learnQueries: number;
  /** Clients whose windows are open at once; beyond it the one that was silent longest starts anew. */
  readonly maxClients: number;
  /** Queries of one client a day that are more than any honest use; `undefined`: no such number. */
  readonly queriesPerDay?: number;
  readonly draws: Draws;
}

/** What became of a client's windows in a round. */
export interface Finding {
  readonly client: string;
  /** `suspected`: one window was unlike the benign. `flagged`: the next was too. `cleared`: it was not. */
  readonly kind: "suspected" | "flagged" | "cleared";
  /** What said so most; `volume` when more was asked than any honest use needs. */
  readonly by: WindowStatistic | "volume";
  /** How likely a benign window is as unlike; 0 for `volume`. */
  readonly p: number;
}

/** p99.5 of benign windows. */
const suspicious = 0.005;
const microsPerDay = 86_400e6;

interface Watched {
  readonly window: QueryWindow;
  isSuspect: boolean;
  closed?: { readonly p: number; readonly by: WindowStatistic };
}

interface Volume {
  sinceMicros: number;
  queries: number;
}

/**
 * Watches the queries of one endpoint and model for clients that copy it (benign-calibrated discrepancy of windows, see ADR 0088). The first
 * queries of all are taken for benign; from then on each client's windows are compared with them.
 */
export class ExtractionMonitor {
  readonly #options: ExtractionMonitorOptions;
  readonly #clients = new Map<string, Watched>();
  readonly #volumes = new Map<string, Volume>();
  readonly #overVolume = new Set<string>();
  #learnt: BenignQuery[] = [];
  #calibration: Calibration | undefined;

  constructor(options: ExtractionMonitorOptions) {
    this.#options = options;
  }

  /** From 0 to 1; windows are judged from 1 on. */
  get learned(): number {
    return this.#calibration ? 1 : this.#learnt.length / this.#options.learnQueries;
  }

  add(client: string, query: Query): void {
    const calibration = this.#calibration;
    if (!calibration) {
      this.#learnt.push({ ...query, row: Float32Array.from(query.row), client });
      if (this.#learnt.length >= this.#options.learnQueries) this.#calibrate();
      return;
    }
    const watched = this.#watch(client, calibration);
    watched.window.add(calibration.space.sketch(query));
    if (watched.window.count < calibration.windowQueries) return;
    const verdict = calibration.judge(watched.window.scores());
    // Two windows in one round: the more surprising one speaks.
    if (!watched.closed || verdict.p < watched.closed.p) watched.closed = verdict;
    watched.window.clear();
  }

  /** Counts queries that were asked, sampled or not. */
  countVolume(client: string, queries: number, nowMicros: number): void {
    const { queriesPerDay } = this.#options;
    if (queriesPerDay === undefined) return;
    const known = this.#volumes.get(client);
    const volume =
      known && nowMicros - known.sinceMicros < microsPerDay ? known : { sinceMicros: nowMicros, queries: 0 };
    volume.queries += queries;
    this.#volumes.set(client, volume);
    if (volume.queries > queriesPerDay) this.#overVolume.add(client);
  }

  /**
   * Judges the windows that were closed since the last call. Holm's adjustment keeps the chance of any false suspicion in a round below a
   * half per cent, however many clients there are; a suspect's next window is judged for itself.
   */
  judge(): Finding[] {
    const closed = [...this.#clients].flatMap(([client, watched]) =>
      watched.closed ? [{ client, watched, ...watched.closed }] : [],
    );
    for (const { watched } of closed) delete watched.closed;
    const findings: Finding[] = [...this.#overVolume].map((client) => ({
      client,
      kind: "flagged",
      by: "volume",
      p: 0,
    }));
    this.#overVolume.clear();
    const fresh = closed.filter(({ watched }) => !watched.isSuspect);
    const adjusted = holmAdjusted(fresh.map(({ p }) => p));
    for (const { client, watched, p, by } of closed) {
      if (!watched.isSuspect) continue;
      watched.isSuspect = p <= suspicious;
      findings.push({ client, kind: p <= suspicious ? "flagged" : "cleared", p, by });
    }
    fresh.forEach(({ client, watched, p, by }, i) => {
      if ((adjusted[i] ?? 1) > suspicious) return;
      watched.isSuspect = true;
      findings.push({ client, kind: "suspected", p, by });
    });
    return findings;
  }

  #calibrate(): void {
    this.#calibration = calibrate(this.#learnt, this.#options.windowQueries, this.#options.draws);
    this.#learnt = [];
  }

  /** A `Map` keeps the order of insertion: who asks moves to its end. */
  #watch(client: string, { space }: Calibration): Watched {
    const known = this.#clients.get(client);
    if (known) {
      this.#clients.delete(client);
      this.#clients.set(client, known);
      return known;
    }
    const oldest =
      this.#clients.size >= this.#options.maxClients ? this.#clients.keys().next().value : undefined;
    if (oldest !== undefined) this.#clients.delete(oldest);
    const watched = { window: new QueryWindow(space), isSuspect: false };
    this.#clients.set(client, watched);
    return watched;
  }
}
