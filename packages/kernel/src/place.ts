/** Where something stands, as it declares of itself. */
export interface Place {
  /** A region name such as `eu-central-1`, or `local` for this machine. */
  readonly region: string;
  /** Who owns the machine: `self`, or the provider's name. */
  readonly owner: string;
}

/** The places that somebody allows, small enough to travel with a route: `null` owners are any. */
export interface AllowedPlaces {
  readonly regions: readonly string[];
  readonly owners: readonly string[] | null;
}

/** `eu-*` allows every region that starts with `eu-`; anything else is compared whole. */
export function allowsRegion(regions: readonly string[], region: string): boolean {
  return regions.some((allowed) =>
    allowed.endsWith("*") ? region.startsWith(allowed.slice(0, -1)) : allowed === region,
  );
}

export function allowsPlace({ regions, owners }: AllowedPlaces, place: Place): boolean {
  return allowsRegion(regions, place.region) && (owners === null || owners.includes(place.owner));
}
