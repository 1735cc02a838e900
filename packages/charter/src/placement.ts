import {
  type AllowedPlaces,
  allowsRegion,
  type Environment,
  type ErrorLocation,
  type Place,
  PortolanError,
} from "@portolan/kernel";
import type { CharterDocument } from "./document.ts";

/** What every backend, store, upstream, gateway, export and backup declares of itself. */
export interface DeclaredLocation extends Place {
  readonly kind: "backend" | "store" | "upstream" | "gateway" | "export" | "backup";
  /** Its name, for the message: `postgres`, `gateway-1`, `s3://reports`. */
  readonly name: string;
}

/** A location that holds one environment; a backup holds all of them. */
export interface PlacementLocation extends DeclaredLocation {
  readonly environment: Environment;
}

export type PlacementVerdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused"; readonly refusals: readonly PlacementRefusal[] };

export interface PlacementRefusal {
  readonly pointer: string;
  readonly reason: string;
}

/** The places that a charter allows. Pure. */
export function allowedPlaces(document: CharterDocument): AllowedPlaces {
  const { regions, owners } = document.nonNegotiables.residency;
  const strict = document.riskTolerance.dataSovereignty === "strict";
  return { regions, owners: owners ?? (strict ? ["self"] : null) };
}

/** Whether the charter lets its data be kept or processed there. Pure; the caller records a refusal. */
export function judgePlacement(document: CharterDocument, location: PlacementLocation): PlacementVerdict {
  const refusals = residencyRefusals(document, location);
  if (!document.environments.includes(location.environment)) {
    const reason = `${location.kind} ${location.name} is in ${location.environment}; the charter covers ${document.environments.join(", ")}`;
    refusals.push({ pointer: "/environments", reason });
  }
  return refusals.length === 0 ? { kind: "allowed" } : { kind: "refused", refusals };
}

/** The lines of the charter that exclude a place, whatever environments it holds. Pure. */
export function residencyRefusals(document: CharterDocument, location: DeclaredLocation): PlacementRefusal[] {
  const { residency } = document.nonNegotiables;
  const what = `${location.kind} ${location.name}`;
  const refusals: PlacementRefusal[] = [];
  if (!allowsRegion(residency.regions, location.region)) {
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
  return refusals;
}

/** @throws PortolanError `charter.placement_refused` naming every line of the charter that excludes the location. */
export function assertPlacement(document: CharterDocument, location: PlacementLocation): void {
  const verdict = judgePlacement(document, location);
  if (verdict.kind === "refused") throw placementRefused(verdict.refusals);
}

export function placementRefused(
  refusals: readonly PlacementRefusal[],
): PortolanError<"charter.placement_refused"> {
  return new PortolanError("charter.placement_refused", {
    detail: refusals.map((refusal) => refusal.reason).join("; "),
    mend: "Move it to where the charter allows it, or change the charter and have it signed again. Where a machine is says LOCATION_REGION, when portolan up starts it.",
    violations: refusals.map(({ pointer, reason }) => ({
      detail: reason,
      at: { pointer } satisfies ErrorLocation,
    })),
  });
}
