/** Who there is in an organisation, by the names that a file of quotas uses; `identity`'s directory knows them. */
export interface QuotaTenants {
  hasBusinessUnit(organisationId: string, name: string): Promise<boolean>;
  /** The unit of the team of that name; `undefined` where there is none. */
  unitOfTeam(organisationId: string, name: string): Promise<string | undefined>;
}
