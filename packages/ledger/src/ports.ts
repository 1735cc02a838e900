import type { CallContext } from "@portolan/kernel";

/** Judges where an export goes by the charters whose data it carries; wired in the apps. */
export interface ExportPlaces {
  /** @throws PortolanError `charter.placement_refused`, after a row of its own */
  require(call: CallContext, stated: { readonly region?: string; readonly owner?: string }): Promise<void>;
}

/** Held for as long as a sequencer runs. */
export interface SequencerHold {
  release(): Promise<void>;
}

/**
 * Keeps a second sequencer from starting while one is alive. On PostgreSQL a session advisory lock; on PGlite its
 * exclusive folder lock already does this. A hold that is lost unnoticed is caught by the fencing epoch.
 */
export interface SequencerLock {
  /** `undefined` when another process holds it. */
  acquire(): Promise<SequencerHold | undefined>;
}

/**
 * The points of a pass between which a crash leaves something half done; docs/spec/ledger.md L9 says what start-up
 * makes of each. An observer is called after each: telemetry, and the tests that kill the process there.
 */
export const sequencerSteps = [
  "rows_read",
  "entries_written",
  "tiles_written",
  "state_written",
  "sql_committed",
  "checkpoint_signed",
  "checkpoint_stored",
  "checkpoint_published",
] as const;
export type SequencerStep = (typeof sequencerSteps)[number];

export type SequencerObserver = (step: SequencerStep, organisationId: string) => void;
