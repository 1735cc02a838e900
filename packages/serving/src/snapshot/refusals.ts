import { type Environment, type Logger, PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "../errors.ts";
import { describeMisfit, type Misfit } from "./misfit.ts";
import type { SnapshotPart } from "./schema.ts";

/** What was kept out of a snapshot because no gateway would read it. */
export interface PartRefusal extends Misfit {
  readonly part: SnapshotPart["kind"] | "manifest";
  readonly environment?: Environment;
  /** Whose route it is; `path` is within that route. Absent: the whole part, and with it the snapshot, is refused. */
  readonly endpoint?: string;
  /** What is served meanwhile; nothing where there is no last good one that may go on. */
  readonly instead: "last_good" | "nothing";
}

/** e.g. `The routes part for production does not fit its schema: the route of delays, /limits/burst must be >= 1.` */
export function describeRefusal({ part, environment, endpoint, ...misfit }: PartRefusal): string {
  const which = part === "manifest" ? "The snapshot's manifest" : `The ${part} part`;
  const where = environment === undefined ? "" : ` for ${environment}`;
  const whose = endpoint === undefined ? "" : `the route of ${endpoint}, `;
  return `${which}${where} does not fit its schema: ${whose}${describeMisfit(misfit)}.`;
}

export function partUnfit(refusal: PartRefusal): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.part_unfit", {
    detail: describeRefusal(refusal),
    mend: "Correct what that value comes from (the deployment, the charter, the policy); the last good snapshot serves on.",
  });
}

/** What is refused now, by organisation: told in the log once when it begins and once when it ends. */
export class RefusalBook {
  readonly #log: Logger;
  readonly #refusals = new Map<string, readonly PartRefusal[]>();

  constructor(log: Logger) {
    this.#log = log;
  }

  note(organisationId: string, refusals: readonly PartRefusal[]): void {
    const before = this.#refusals.get(organisationId) ?? [];
    const known = new Set(before.map(describeRefusal));
    for (const refusal of refusals)
      if (!known.has(describeRefusal(refusal)))
        this.#log.error(
          { organisationId, ...refusal, reason: describeRefusal(refusal) },
          "serving.snapshot.part_refused",
        );
    if (before.length > 0 && refusals.length === 0)
      this.#log.info({ organisationId }, "serving.snapshot.parts_fit_again");
    if (refusals.length === 0) this.#refusals.delete(organisationId);
    else this.#refusals.set(organisationId, refusals);
  }

  list(): { readonly organisationId: string; readonly refusal: PartRefusal }[] {
    return [...this.#refusals].flatMap(([organisationId, refusals]) =>
      refusals.map((refusal) => ({ organisationId, refusal })),
    );
  }
}
