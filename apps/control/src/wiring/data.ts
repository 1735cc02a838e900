import { delimiter, join } from "node:path";
import { type CharterDeps, inForceCharter } from "@portolan/charter";
import { assertPlacement } from "@portolan/charter/policy";
import { type DataDeps, ingestJob, type ResidencyCheck } from "@portolan/data";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type JobHandler, PortolanError } from "@portolan/kernel";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface DataWiring {
  readonly data: DataDeps;
  readonly residency: ResidencyCheck;
  readonly jobs: readonly JobHandler[];
}

export function wireData(base: Foundation, identity: IdentityWiring, charter: CharterDeps): DataWiring {
  const residency = residencyCheck(base, charter);
  const data: DataDeps = {
    uow: base.work,
    authorizer: identity.authorizer,
    objects: base.objects,
    engine: createDuckDbEngine(),
    residency,
    sourceFolders: sourceFolders(base),
    workFolder: join(base.config.PORTOLAN_HOME, "work"),
  };
  return { data, residency, jobs: [ingestJob(data)] };
}

function sourceFolders(base: Foundation): string[] {
  const listed = base.config.SOURCE_FOLDERS?.split(delimiter).filter((folder) => folder !== "") ?? [];
  return [join(base.config.PORTOLAN_HOME, "inbox"), ...listed];
}

/** Refuses, with a ledger row, to hold data here that the charter in force keeps elsewhere. */
function residencyCheck(base: Foundation, charter: CharterDeps): ResidencyCheck {
  const { LOCATION_REGION: region, LOCATION_OWNER: owner } = base.config;
  return {
    require: async (call, what) => {
      if (what.useCaseId === undefined) return;
      const found = await inForceCharter(charter, call, { useCaseId: what.useCaseId });
      if (!found) {
        if (what.environment === "dev") return;
        throw new PortolanError("charter.not_in_force", {
          detail: `no signed charter is in force for ${what.useCaseId}`,
          mend: "Submit a charter and have it signed, or work in the dev environment.",
        });
      }
      try {
        assertPlacement(found.charter, {
          name: what.name,
          kind: "store",
          region,
          owner,
          environment: what.environment,
        });
      } catch (error) {
        await base.work.write(call, (tx) =>
          tx.record({
            event: "data.placement.refused",
            subject: what.useCaseId ?? what.name,
            detail: { region, owner, name: what.name },
          }),
        );
        throw error;
      }
    },
  };
}
