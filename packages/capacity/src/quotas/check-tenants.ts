import type { QuotaTenants } from "../ports.ts";
import type { QuotaReading } from "../quota/read-quotas.ts";

/**
 * Whether the organisation has the units and teams of the file.
 *
 * @throws PortolanError `capacity.quotas_not_valid` at each that it lacks
 */
export async function checkTenants(
  { tenants: named, source }: QuotaReading,
  tenants: QuotaTenants,
  organisationId: string,
): Promise<void> {
  for (const { businessUnit, team, at } of named) {
    if (team === undefined) {
      if (!(await tenants.hasBusinessUnit(organisationId, businessUnit)))
        at.report("is no business unit of the organisation", "portolan business-unit list has them.");
      continue;
    }
    const unit = await tenants.unitOfTeam(organisationId, team);
    if (unit === undefined) at.report("is no team of the organisation", "portolan team list has them.");
    else if (unit !== businessUnit)
      at.report(`is a team of ${unit}, not of ${businessUnit}`, "Write it below its own unit.");
  }
  source.settle("capacity.quotas_not_valid");
}
