import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { NoticeView } from "../notices/notice-view.ts";
import { type NoticeDeps, readNotices } from "../notices/notices.ts";

const Query = Type.Object({
  contract: Type.Optional(Type.String({ maxLength: 63 })),
  ingestion: Type.Optional(Type.String({ maxLength: 60 })),
  after: Type.Optional(
    Type.String({ maxLength: 60, description: "The last notice of the page before: those that are older" }),
  ),
});

export async function noticeRoutes(
  app: FastifyInstance,
  deps: Pick<NoticeDeps, "uow" | "authorizer">,
): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/notices",
    {
      config: routeConfig("data:read_ingestion", "read"),
      schema: {
        summary:
          "What owners of contracts were told of: refused batches, quarantined rows, drift; newest first",
        tags: ["data"],
        querystring: Query,
        response: { 200: Type.Object({ notices: Type.Array(NoticeView) }) },
      },
    },
    async (request) => {
      const { contract, ingestion, after } = request.query;
      const filter = {
        ...(contract === undefined ? {} : { contract }),
        ...(ingestion === undefined ? {} : { ingestionId: ingestion }),
        ...(after === undefined ? {} : { after }),
      };
      return { notices: await readNotices(deps, request.call, filter) };
    },
  );
}
