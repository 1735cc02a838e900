import type { CharterDocument, Regulation } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import type { PlannedWorkload } from "../placement-choice.ts";
import type { Certification, PriceBook, PricedResource, PriceRecord } from "../price-book.ts";

/** What somebody else's machines must bring before a use case may run on them. */
export interface ProviderNeeds {
  readonly certifications: readonly Certification[];
  /** Share of a month, 0 to 1; absent where nobody waits for an answer. */
  readonly availability?: number;
}

/** What is promised and attested for one price. Absent is lacking. */
export interface Offer {
  readonly availability?: string;
  readonly certifications: readonly Certification[];
}

/**
 * What each regulation asks of whoever holds the data for you. GDPR and the EU AI Act ask for a contract and for care, and for no
 * attestation; SOX is met by a SOC 1 report on controls over financial reporting.
 */
export const certificationsAsked: Readonly<Record<Regulation, readonly Certification[]>> = {
  HIPAA: ["hipaa_baa"],
  SOX: ["soc1"],
  GDPR: [],
  "EU-AI-Act": [],
  "PCI-DSS": ["pci_dss"],
  SOC2: ["soc2"],
};

export const certificationNames: Readonly<Record<Certification, string>> = {
  hipaa_baa: "HIPAA business associate agreement",
  soc1: "SOC 1",
  soc2: "SOC 2",
  iso27001: "ISO 27001",
  pci_dss: "PCI DSS",
  fedramp: "FedRAMP",
};

/** Training and batches may wait and start again; who asks for an answer may not. */
export function needsOf(document: CharterDocument, workload: PlannedWorkload): ProviderNeeds {
  const certifications = [
    ...new Set(document.nonNegotiables.regulations.flatMap((name) => certificationsAsked[name])),
  ];
  return workload === "training" || workload === "fine_tuning" || workload === "batch_inference"
    ? { certifications }
    : { certifications, availability: termsOf(document).availability };
}

/** The record's own word first, else that of its seller. */
export function offerOf(book: PriceBook, record: PriceRecord): Offer {
  const service = book.services?.find(({ id }) => id === record.service);
  const availability = record.availability ?? service?.availability;
  return {
    certifications: record.certifications ?? service?.certifications.map(({ name }) => name) ?? [],
    ...(availability === undefined ? {} : { availability }),
  };
}

/** What a price lacks of what is needed; empty: it may be used. Own machines are for their owner to attest. */
export function lackingOf(book: PriceBook, record: PriceRecord, needs: ProviderNeeds): string[] {
  const offer = offerOf(book, record);
  const missing = needs.certifications
    .filter((name) => !offer.certifications.includes(name))
    .map((name) => certificationNames[name]);
  if (needs.availability === undefined) return missing;
  const promised = offer.availability === undefined ? 0 : shareOf(offer.availability);
  return promised < toTenMillionths(needs.availability)
    ? [...missing, `${percentText(needs.availability)} availability`]
    : missing;
}

/** Why none of these prices may be used, each of which lacks something: what none of their sellers has together. Pure. */
export function whatNoneHas(book: PriceBook, records: readonly PriceRecord[], needs: ProviderNeeds): string {
  const lacking = [...new Set(records.flatMap((record) => lackingOf(book, record, needs)))];
  const all = [...(lacking.length > 1 ? [lacking.slice(0, -1).join(", ")] : []), ...lacking.slice(-1)].join(
    " and ",
  );
  if (needs.availability === undefined) return all;
  const shares = records.map((record) => shareOf(offerOf(book, record).availability ?? "0%"));
  const most = Math.max(...shares);
  // One that promises enough lacks something else.
  if (most >= toTenMillionths(needs.availability)) return all;
  return `${all} (${most === 0 ? "none promises any" : `the most that one promises is ${percentText(most / 1e7)}`})`;
}

/** What is bought from whoever holds the data; people, power and room are not. */
const holdsData: readonly PricedResource[] = [
  "cpu_core_hour",
  "memory_gib_hour",
  "gpu_hour",
  "storage_gb_month",
  "nvme_gb_month",
  "hdd_gb_month",
  "object_gb_month",
  "egress_gb",
  "zone_egress_gb",
  "region_egress_gb",
  "request_gb",
  "response_gb",
  "scoring_read_gb",
  "scoring_written_gb",
];

/**
 * The book without the cloud prices that lack what is needed. Their other placements stay: there the machines are one's own. Pure.
 */
export function eligibleBook(book: PriceBook, needs: ProviderNeeds): PriceBook {
  const records = book.records.flatMap((record): PriceRecord[] => {
    // Who states what he pays himself has chosen his seller.
    if (record.confidence === "own" && record.service === undefined && record.certifications === undefined)
      return [record];
    if (!holdsData.includes(record.resource)) return [record];
    if (!record.placements.includes("cloud") || lackingOf(book, record, needs).length === 0) return [record];
    const placements = record.placements.filter((placement) => placement !== "cloud");
    return placements.length === 0 ? [] : [{ ...record, placements }];
  });
  return { ...book, records };
}

/** Whole ten-millionths, as the five decimals of a percentage are: 99.99 / 100 is not 0.9999 in floating point. */
function shareOf(percent: string): number {
  return Math.round(Number(percent.replace("%", "")) * 1e5);
}

function toTenMillionths(share: number): number {
  return Math.round(share * 1e7);
}

function percentText(share: number): string {
  return `${Number((share * 100).toFixed(5))} %`;
}
