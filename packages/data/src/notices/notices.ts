import {
  type Authorizer,
  asPlace,
  type CallContext,
  type EpochMicros,
  formatInstant,
  type JobEnd,
  type JobHandler,
  newId,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DataContract, SupportChannel } from "../contracts/contract-model.ts";
import type { StoredContract } from "../contracts/contract-store.ts";
import type { StoredIngestion } from "../ingestion/ingestion-store.ts";
import { ingestionPlace } from "../ingestion/read-ingestion.ts";
import type { NoticeSender } from "../ports.ts";
import { getNotice, insertNotice, listNotices, type NoticeFilter, settleNotice } from "./notice-store.ts";
import type { NoticeView } from "./notice-view.ts";

export const noticeQueue = "data.notify";

export interface Occasion {
  readonly kind: NoticeView["kind"];
  readonly ingestion: StoredIngestion;
  readonly contract: StoredContract;
  /** In sentences, without a row of data. */
  readonly reasons: readonly string[];
  readonly counts?: NonNullable<StoredIngestion["counts"]>;
  readonly rules?: Readonly<Record<string, number>>;
}

/** Raises a notice for each support channel of the contract, in the transaction that gave the occasion: it cannot be lost, nor sent for nothing. */
export async function raiseNotices(tx: Transaction, occasion: Occasion): Promise<void> {
  const support = distinct(occasion.contract.body.support);
  const channels: readonly (SupportChannel | undefined)[] = support.length === 0 ? [undefined] : support;
  for (const channel of channels) {
    const notice = noticeOf(occasion, channel, tx.now);
    await insertNotice(tx.sql, tx.call.actor.organisationId, notice);
    if (notice.state === "waiting")
      await tx.enqueue({
        queue: noticeQueue,
        payload: { noticeId: notice.id },
        key: notice.id,
        place: ingestionPlace(occasion.ingestion),
      });
    await tx.record({
      event: "data.notice.raised",
      subject: notice.id,
      detail: {
        kind: notice.kind,
        contract: notice.contract,
        ingestion: notice.ingestionId,
        state: notice.state,
      },
    });
  }
}

/** Channels that share an address are told once. */
function distinct(channels: readonly SupportChannel[]): SupportChannel[] {
  return channels.filter(
    ({ url }, index) => url === undefined || channels.findIndex((other) => other.url === url) === index,
  );
}

function noticeOf(
  { kind, ingestion, contract, reasons, counts, rules }: Occasion,
  channel: SupportChannel | undefined,
  now: EpochMicros,
): NoticeView {
  const id = newId("notice", now);
  const people = ownersOf(contract.body, formatInstant(now).slice(0, 10));
  const { environment } = ingestion;
  const place = ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId };
  const isAddress = channel?.url !== undefined && /^https?:/i.test(channel.url);
  return {
    id,
    kind,
    contract: contract.name,
    version: contract.version,
    environment,
    ...place,
    ingestionId: ingestion.id,
    people,
    ...(channel ? { channel: channel.channel } : {}),
    ...(channel?.url === undefined ? {} : { url: channel.url }),
    state: isAddress ? "waiting" : "kept",
    event: {
      specversion: "1.0",
      id,
      source: `/contracts/${contract.name}`,
      type: `portolan.data.ingestion.${kind}`,
      subject: ingestion.id,
      time: formatInstant(now),
      datacontenttype: "application/json",
      data: {
        contract: contract.name,
        version: contract.version,
        environment,
        ...place,
        ingestion: ingestion.id,
        people: [...people],
        reasons: [...reasons],
        ...(counts ? { counts } : {}),
        ...(rules ? { rules } : {}),
      },
    },
    createdAt: now,
  };
}

/** Who is of the team on a day (`YYYY-MM-DD`). */
function ownersOf({ team }: DataContract, day: string): string[] {
  return team
    .filter(({ dateIn = day, dateOut }) => dateIn <= day && (dateOut === undefined || dateOut > day))
    .map(({ username }) => username);
}

export interface NoticeDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly sender: NoticeSender;
}

/** Delivers one notice; the receiver may get it twice, under the same id. */
export function noticeJob(deps: Pick<NoticeDeps, "uow" | "sender">): JobHandler {
  return {
    queue: noticeQueue,
    retries: 5,
    abandoned: abandonNotice,
    run: async (job) => {
      const id = noticeIdOf(job.payload);
      const { organisationId } = job.call.actor;
      const notice = await deps.uow.read(job.call, (sql) => getNotice(sql, organisationId, id));
      if (notice.state !== "waiting" || notice.url === undefined) return { state: notice.state };
      const body = JSON.stringify(notice.event);
      await job.effect("send", async (): Promise<null> => {
        await deps.sender.send({ id, url: notice.url ?? "", body });
        return null;
      });
      await job.step("settle", async (tx) => {
        await settleNotice(tx.sql, id, { state: "sent", now: tx.now });
        await tx.record({ event: "data.notice.sent", subject: id });
        return null;
      });
      return { state: "sent" };
    },
  };
}

async function abandonNotice(tx: Transaction, { payload, reason }: JobEnd): Promise<void> {
  const id = noticeIdOf(payload);
  if (await settleNotice(tx.sql, id, { state: "failed", failure: reason.slice(0, 300), now: tx.now }))
    await tx.record({ event: "data.notice.failed", subject: id });
}

function noticeIdOf(payload: JobEnd["payload"]): string {
  const id = payload["noticeId"];
  return typeof id === "string" ? id : "";
}

/** Notices of one answer, and of one look into the table. */
const pageSize = 200;

/** Notices about ingestions that the caller may read, newest first; `after` the last of them come the next. */
export async function readNotices(
  deps: Pick<NoticeDeps, "uow" | "authorizer">,
  call: CallContext,
  filter: NoticeFilter,
): Promise<NoticeView[]> {
  const { organisationId } = call.actor;
  const readable: NoticeView[] = [];
  let page = { ...filter, limit: pageSize };
  // What others are told of must not push out what this caller may read.
  for (;;) {
    const found = await deps.uow.read(call, (sql) => listNotices(sql, organisationId, page));
    for (const notice of found) {
      if (await mayRead(deps, call, notice)) readable.push(notice);
      if (readable.length === pageSize) return readable;
    }
    const last = found.at(-1);
    if (!last || found.length < pageSize) return readable;
    page = { ...page, after: last.id };
  }
}

async function mayRead(
  { authorizer }: Pick<NoticeDeps, "authorizer">,
  call: CallContext,
  notice: NoticeView,
): Promise<boolean> {
  const resource = {
    type: "Ingestion",
    id: notice.ingestionId,
    organisationId: call.actor.organisationId,
    ...ingestionPlace({ environment: notice.environment, ...asPlace(notice) }),
  };
  return (await authorizer.decide(call, "data:read_ingestion", resource)).allowed;
}
