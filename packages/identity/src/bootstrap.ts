import {
  type CallContext,
  type Clock,
  newId,
  PortolanError,
  type Secret,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Organisation } from "./contract.ts";
import { insertOrganisation, type Naming } from "./directory.ts";
import { matchesSecret, reportWrongSecret } from "./local-credential.ts";
import type { OnDenied, RequestOrigin } from "./ports.ts";
import { findHomeOrganisation } from "./store.ts";

export interface BootstrapDeps {
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
  readonly localCredential: Secret;
  /** Told of wrong secrets. */
  readonly onDenied: OnDenied;
}

export interface BootstrapInput {
  readonly secret: string;
  readonly organisation: Naming;
  readonly administrator: Naming & { readonly email?: string };
}

/** Makes the first organisation and its platform admin. Works once: afterwards the secret opens nothing here. */
export async function bootstrap(
  deps: BootstrapDeps,
  input: BootstrapInput,
  origin: RequestOrigin = {},
): Promise<{ organisation: Organisation; administratorId: string }> {
  if (!matchesSecret(deps.localCredential, input.secret)) {
    await reportWrongSecret(deps, "identity:bootstrap", origin);
    throw new PortolanError("identity.unauthenticated", {
      detail: "the bootstrap secret is not the one in the state folder",
      mend: "Read the file local-credential in the state folder of the control process.",
    });
  }
  const now = deps.clock.now();
  const organisationId = newId("organisation", now);
  const call: CallContext = {
    actor: systemActor("bootstrap", organisationId),
    requestId: origin.requestId ?? newId("request", now),
  };
  return deps.unitOfWork.write(call, async (tx) => {
    if (await findHomeOrganisation(tx.sql)) {
      throw new PortolanError("identity.already_bootstrapped", {
        detail: "this installation has its first organisation",
        mend: "Sign in; a platform admin creates further organisations with POST /v1/organisations.",
      });
    }
    return insertOrganisation(
      tx,
      { ...input.organisation, administrator: input.administrator },
      true,
      organisationId,
    );
  });
}
