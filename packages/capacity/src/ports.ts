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
