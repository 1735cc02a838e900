import type { ReviewTerms } from "@portolan/charter/contract";
import type { CallContext, Environment, Transaction } from "@portolan/kernel";
import type { BlockAddress, StoredPrediction } from "@portolan/predictions/contract";
import type { LabelValue } from "./contract.ts";

/** What the charter in force says of reviews; `charter` has it. */
export interface ReviewCharters {
  /** Undefined where none is in force, or it states no queue. */
  termsFor(
    call: CallContext,
    useCaseId: string,
  ): Promise<
    { readonly review: ReviewTerms; readonly task: string; readonly classes?: readonly string[] } | undefined
  >;
}

/** Records of predictions, asked for by control itself; `predictions` has them. */
export interface Records {
  /** Of the caller's organisation in a block. */
  ofBlock(call: CallContext, block: BlockAddress): Promise<readonly StoredPrediction[]>;
  /** Undefined for one that is not there, or not yet. */
  find(call: CallContext, predictionId: string): Promise<StoredPrediction | undefined>;
}

/** What people say that an answer should have been, as labels; `predictions` keeps them. */
export interface Labels {
  add(
    tx: Transaction,
    label: {
      readonly predictionId: string;
      readonly environment: Environment;
      readonly outcome: LabelValue;
      readonly source: "review" | "feedback";
    },
  ): Promise<void>;
  /** After the transaction; harmless to repeat. */
  join(call: CallContext): Promise<void>;
}
