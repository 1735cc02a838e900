import { type Environment, type ErrorLocation, PortolanError } from "@portolan/kernel";
import type { CharterDocument } from "./document.ts";

/** What every backend, store, upstream, gateway and export declares of itself. */
export interface PlacementLocation {
  readonly kind: "backend" | "store" | "upstream" | "gateway" | "export";
  /** Its name, for the message: `postgres`, `gateway-1`, `s3://reports`. */
  readonly name: string;
  /** A region name such as `eu-central-1`, or `local` for this machine. */
  readonly region: string;
  /** Who owns the machine: `self`, or the provider's name. */
  readonly owner: string;
  readonly environment: Environment;
}

export type PlacementVerdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused"; readonly refusals: readonly PlacementRefusal[] };

export interface PlacementRefusal {
  readonly pointer: string;
  readonly reason: string;
}

/** Whether the charter lets its data be kept or processed there. Pure; the caller records a refusal. */
export function judgePlacement(document: CharterDocument, location: PlacementLocation): PlacementVerdict {
  const { residency } = document.nonNegotiables;
  const what = `${location.kind} ${location.name}`;
  const refusals: PlacementRefusal[] = [];
  if (!residency.regions.some((allowed) => matchesRegion(allowed, location.region))) {
    const reason = `${what} is in ${location.region}; data stays in ${residency.regions.join(", ")}`;
    refusals.push({ pointer: "/nonNegotiables/residency/regions", reason });
  }
  if (residency.owners && !residency.owners.includes(location.owner)) {
    const reason = `${what} belongs to ${location.owner}; only ${residency.owners.join(", ")} may own it`;
    refusals.push({ pointer: "/nonNegotiables/residency/owners", reason });
  }
  if (!residency.owners && document.riskTolerance.dataSovereignty === "strict" && location.owner !== "self") {
    const reason = `${what} belongs to ${location.owner}; sovereignty is strict`;
    refusals.push({ pointer: "/riskTolerance/dataSovereignty", reason });
  }
  if (!document.environments.includes(location.environment)) {
    const reason = `${what} is in ${location.environment}; the charter covers ${document.environments.join(", ")}`;
    refusals.push({ pointer: "/environments", reason });
  }
  return refusals.length === 0 ? { kind: "allowed" } : { kind: "refused", refusals };
}

/** @throws PortolanError `charter.placement_refused` naming every line of the charter that excludes the location. */
export function assertPlacement(document: CharterDocument, location: PlacementLocation): void {
  const verdict = judgePlacement(document, location);
  if (verdict.kind === "allowed") return;
  throw new PortolanError("charter.placement_refused", {
    detail: verdict.refusals.map((refusal) => refusal.reason).join("; "),
    mend: "Move it to where the charter allows it, or change the charter and have it signed again.",
    violations: verdict.refusals.map(({ pointer, reason }) => ({
      detail: reason,
      at: { pointer } satisfies ErrorLocation,
    })),
  });
}

/** `eu-*` allows every region that starts with `eu-`; anything else is compared whole. */
function matchesRegion(allowed: string, region: string): boolean {
  return allowed.endsWith("*") ? region.startsWith(allowed.slice(0, -1)) : allowed === region;
}
