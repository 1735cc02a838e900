import type { Environment, Id, ResourceRef } from "@portolan/kernel";

/** A refused request, for the ledger's class *denied*: every one of an authenticated caller, the rest counted. */
export interface Denial {
  readonly kind: "unauthenticated" | "forbidden" | "hidden";
  /** Short, of a bounded set; never shown to the caller. */
  readonly reason: string;
  readonly requestId: string;
  readonly action?: string;
  readonly resource?: ResourceRef;
  readonly principalId?: string;
  readonly organisationId?: string;
  /** The run whose token the caller showed: its trainer asks as often as it likes. */
  readonly trainingRunId?: string;
  /** Remote address of an unauthenticated caller. */
  readonly source?: string;
}

/** Tokens that trainers hold for the time of one attempt of a run; `tracking` has them. */
export interface RunTokens {
  /** Whether a credential wants to be such a token, by its form alone. */
  claims(credential: string): boolean;
  /** Whom it speaks for, or why it is refused; the reason is of a bounded set. */
  verify(credential: string): Promise<
    | {
        readonly runId: string;
        readonly principalId: string;
        readonly organisationId: string;
        readonly environment: Environment;
      }
    | { readonly reason: string }
  >;
}

/** Where an unauthenticated request came from. */
export interface RequestOrigin {
  readonly requestId?: Id<"request">;
  /** Remote address. */
  readonly source?: string;
}

/** Receives denials; wired to the ledger. Must not throw into the request. */
export type OnDenied = (denial: Denial) => void | Promise<void>;
