import {
  type Authenticator,
  createAccessEpoch,
  createAuthenticator,
  createAuthorizer,
  createDevelopmentIssuer,
  createDirectoryLookups,
  createIssuerKeyStore,
  createIssuerKeys,
  createJwksFetcher,
  type Denial,
  type DevelopmentIssuer,
  type DirectoryLookups,
  type IdentityAuthorizer,
  type IssuerKeys,
  listTrustedIssuers,
  type OnDenied,
  openLocalCredential,
  type RunTokens,
} from "@portolan/identity";
import {
  type AddressRules,
  type CallContext,
  type Id,
  messageOf,
  newId,
  parseId,
  readAddressRules,
  type Secret,
  systemActor,
} from "@portolan/kernel";
import { createDenialTally, recordDenial } from "@portolan/ledger";
import type { Foundation } from "./foundation.ts";
import { createRunRefusals } from "./run-refusals.ts";

export interface IdentityWiring {
  readonly authorizer: IdentityAuthorizer;
  readonly authenticator: Authenticator;
  readonly developmentIssuer: DevelopmentIssuer;
  readonly localCredential: Secret;
  readonly directory: DirectoryLookups;
  readonly onDenied: OnDenied;
  /** Where keys of outside issuers may be fetched from. */
  readonly addresses: AddressRules;
  readonly issuerKeys: IssuerKeys;
  /** Asks the outside issuers of all organisations for their keys, those that were not asked within a minute. */
  readonly refreshIssuerKeys: () => Promise<void>;
}

export async function wireIdentity(base: Foundation, runTokens: RunTokens): Promise<IdentityWiring> {
  const { work, clock, keys, config } = base;
  const directory = createDirectoryLookups(work);
  const onDenied = denialsToLedger(base, directory);
  const localCredential =
    config.PORTOLAN_BOOTSTRAP_SECRET ?? (await openLocalCredential(config.PORTOLAN_HOME));
  const developmentIssuer = createDevelopmentIssuer({
    unitOfWork: work,
    clock,
    keyRing: keys,
    localCredential,
    issuer: `${config.TLS_CERT_FILE === undefined ? "http" : "https"}://${config.CONTROL_HOST}:${config.CONTROL_PORT}`,
    enabled: config.DEV_ISSUER,
    onDenied,
  });
  const addresses = readAddressRules(config.OIDC_ALLOWED_HOSTS, config.DEV_ISSUER);
  const issuerKeys = createIssuerKeys(clock, createJwksFetcher(addresses), createIssuerKeyStore(work, clock));
  const accessEpoch = createAccessEpoch(base.database.sql, clock);
  return {
    authorizer: createAuthorizer({ unitOfWork: work, onDenied, accessEpoch }),
    authenticator: createAuthenticator({
      unitOfWork: work,
      clock,
      developmentIssuer,
      issuerKeys,
      runTokens,
      accessEpoch,
    }),
    developmentIssuer,
    localCredential,
    directory,
    onDenied,
    addresses,
    issuerKeys,
    refreshIssuerKeys: async () =>
      issuerKeys.refresh(await work.read(identityCall(base), (sql) => listTrustedIssuers(sql))),
  };
}

/** Reading what concerns all organisations needs none. */
function identityCall({ clock }: Foundation): CallContext {
  return {
    actor: systemActor("identity", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}

/**
 * An authenticated caller's refusal is a row of its own, and so are the first of a run's token; the rest is counted per source, reason and
 * minute, with a run as the source where its token was shown.
 */
function denialsToLedger(base: Foundation, directory: DirectoryLookups): OnDenied {
  const { work, database, clock, log } = base;
  const tally = createDenialTally({ sql: database.sql, clock });
  const runRefusals = createRunRefusals();
  let platform: Promise<Id<"organisation"> | undefined> | undefined;
  const platformOrganisation = async () => {
    const [first] = await directory.organisations();
    if (!first) platform = undefined; // before the bootstrap: ask again next time
    return first;
  };
  const keep = async (denial: Denial): Promise<void> => {
    const own =
      denial.organisationId === undefined ? undefined : parseId("organisation", denial.organisationId);
    const action = denial.action ?? "unknown";
    const { trainingRunId: run } = denial;
    const hasRow = run === undefined || runRefusals.hasRow(run);
    if (denial.principalId !== undefined && own && hasRow) {
      const call: CallContext = {
        actor: {
          ...systemActor("control", own),
          id: denial.principalId,
          kind: denial.principalId.startsWith("sa_") ? "service_account" : "user",
        },
        requestId: parseId("request", denial.requestId) ?? newId("request", clock.now()),
      };
      await work.write(call, (tx) =>
        recordDenial(tx, {
          action,
          subject: denial.resource?.id ?? denial.resource?.type ?? action,
          reason: denial.reason,
        }),
      );
      return;
    }
    platform ??= platformOrganisation();
    const organisationId = own ?? (await platform);
    if (organisationId)
      await tally.add({ organisationId, source: run ?? denial.source ?? "unknown", reason: denial.reason });
  };
  return (denial) =>
    keep(denial).catch((error: unknown) =>
      log.error({ error: messageOf(error) }, "ledger.denial.not_recorded"),
    );
}
