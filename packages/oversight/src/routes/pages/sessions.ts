import type { CallContext } from "@portolan/kernel";
import type { FastifyRequest } from "fastify";

/** Who is signed in at the pages, by a cookie; the app keeps them. */
export interface PageSessions {
  /** Begins a session with a credential; undefined for one that is not accepted. `cookie` goes into `set-cookie`. */
  open(
    request: FastifyRequest,
    credential: string,
  ): Promise<{ readonly call: CallContext; readonly cookie: string; readonly token: string } | undefined>;
  /** What forms of the request's session carry; undefined without a session, and where the request brings a credential of its own. */
  tokenOf(request: FastifyRequest): string | undefined;
  /** Whose session it is. */
  nameOf(request: FastifyRequest): string | undefined;
  /** Ends it. @returns what goes into `set-cookie` */
  close(request: FastifyRequest): string;
}
