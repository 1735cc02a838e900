import { listInForce } from "@portolan/charter";
import type { DeclaredLocation } from "@portolan/charter/contract";
import { allowedPlaces, placementRefused, residencyRefusals } from "@portolan/charter/policy";
import { allowsPlace, type CallContext, type Place, type UnitOfWork } from "@portolan/kernel";
import type { ControlSettings } from "../config.ts";

/** What a request states of the place that its bytes go to; what it leaves out is as configured. */
export interface StatedPlace {
  readonly region?: string;
  readonly owner?: string;
}

/** Judges where exports and backups go by every charter in force whose data they carry. */
export interface Destinations {
  /**
   * The place, complete. `whole` carries the data of every organisation, otherwise of the caller's alone.
   * @throws PortolanError `charter.placement_refused`, after a ledger row that says where to
   */
  require(
    call: CallContext,
    what: { readonly kind: "export" | "backup"; readonly name: string; readonly whole: boolean },
    stated: StatedPlace,
  ): Promise<Place>;
}

export function createDestinations(work: UnitOfWork, config: ControlSettings): Destinations {
  const here: Place = { region: config.LOCATION_REGION, owner: config.LOCATION_OWNER };
  return {
    async require(call, { kind, name, whole }, stated) {
      const place = {
        region: stated.region ?? config.EXPORT_REGION ?? here.region,
        owner: stated.owner ?? config.EXPORT_OWNER ?? here.owner,
      };
      const location: DeclaredLocation = { kind, name, ...place };
      const charters = await work.read(call, (sql) =>
        listInForce(sql, whole ? undefined : call.actor.organisationId),
      );
      const refusing = charters.flatMap(({ summary, document }) => {
        // Stores refuse the data of a charter that excludes this very installation: none of it is in a backup, and no
        // organisation may keep the others from having one.
        if (whole && !allowsPlace(allowedPlaces(document), here)) return [];
        const refusals = residencyRefusals(document, location);
        return refusals.length === 0 ? [] : [{ summary, refusals }];
      });
      if (refusing.length === 0) return place;
      await work.write(call, (tx) =>
        tx.record({
          event: `charter.${kind}.refused`,
          subject: name,
          detail: { ...place, charters: refusing.slice(0, 20).map(({ summary }) => summary.digest) },
        }),
      );
      throw placementRefused(
        refusing.flatMap(({ summary, refusals }) =>
          refusals.map(({ pointer, reason }) => ({ pointer, reason: `${summary.useCase}: ${reason}` })),
        ),
      );
    },
  };
}
