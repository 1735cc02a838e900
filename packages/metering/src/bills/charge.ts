import type { Currency } from "@portolan/kernel";

export const chargeCategories = ["usage", "purchase", "tax", "credit", "adjustment"] as const;
export type ChargeCategory = (typeof chargeCategories)[number];

/** A row of a provider's bill, whatever its format; amounts are whole 10^-18, for bills have more decimals than money that is paid. */
export interface Charge {
  /** From 1 on, the header not counted. */
  readonly row: number;
  readonly category: ChargeCategory;
  /** Mends an earlier bill: refunds are such. */
  readonly isCorrection: boolean;
  readonly service: string;
  readonly sku: string;
  readonly description: string;
  readonly resource: string;
  readonly account: string;
  readonly region: string;
  /** UTC, `2026-11-01T00:00:00Z`. */
  readonly start: string;
  readonly end: string;
  /** What the invoice asks for. */
  readonly billed: bigint;
  /** With what was paid in advance spread over what used it. */
  readonly effective: bigint;
  /** At the public price, where the bill says it. */
  readonly list?: bigint;
  readonly quantity?: bigint;
  readonly unit: string;
  /** The reservation or savings plan that it is of. */
  readonly commitment: string;
}

export interface ProviderBill {
  readonly format: "FOCUS 1.0" | "FOCUS 1.1" | "FOCUS 1.2" | "CUR" | "CUR 2.0";
  readonly currency: Currency;
  readonly charges: readonly Charge[];
}

/** Texts by which a charge can be named in a mapping. */
export const chargeFields = [
  "category",
  "service",
  "sku",
  "description",
  "resource",
  "account",
  "region",
  "commitment",
] as const;
