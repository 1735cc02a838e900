import type { CallContext } from "@portolan/kernel";

/** Work that asks for more than one of these waits for approval; what is absent has no bound. */
export interface ApprovalSize {
  readonly gpus?: number;
  /** Cards times the time limit that is asked for; cards without one are above it. */
  readonly gpuHours?: number;
  /** Cores. */
  readonly cpu?: number;
  readonly memoryBytes?: number;
}

/** What charters in force say of the size of work. */
export interface ApprovalSizes {
  /** Undefined: no size needs approval. */
  ofUseCase(call: CallContext, useCaseId: string): Promise<ApprovalSize | undefined>;
}

/** The team that a use case belongs to, as a file of quotas names it. */
export interface TeamNames {
  /** `unit/team` */
  ofUseCase(organisationId: string, useCaseId: string): Promise<string | undefined>;
  /** Ids of the team of that name, for the authorizer. */
  placeOf(
    organisationId: string,
    team: string,
  ): Promise<{ readonly businessUnitId: string; readonly teamId: string } | undefined>;
}

/** Who there is in an organisation, by the names that a file of quotas uses; `identity`'s directory knows them. */
export interface QuotaTenants {
  hasBusinessUnit(organisationId: string, name: string): Promise<boolean>;
  /** The unit of the team of that name; `undefined` where there is none. */
  unitOfTeam(organisationId: string, name: string): Promise<string | undefined>;
}

/** The graphics cards of the machine that work runs on. */
export interface CardsAtWork {
  /** Of the busiest one, percent, at this moment; undefined where nobody can tell. */
  busiest(): number | undefined;
}
