import type { QuotaChange } from "../contract.ts";
import { amountText } from "../quota/amounts.ts";
import type { Quota, QuotaTree } from "../quota/tree.ts";

/** What a change of quotas means for each of their members, by member and resource. Weights and policies are not in it. Pure. */
export function quotaChanges(before: QuotaTree | undefined, after: QuotaTree | undefined): QuotaChange[] {
  const [was, is] = [quotaTexts(before), quotaTexts(after)];
  const keys = [...new Set([...was.keys(), ...is.keys()])].toSorted();
  return keys.flatMap((key) => {
    const [old, now] = [was.get(key), is.get(key)];
    if (old?.text === now?.text) return [];
    const { member, resource } = now ?? old ?? { member: "", resource: "" };
    return [
      {
        member,
        resource,
        ...(old ? { before: old.text } : {}),
        ...(now ? { after: now.text } : {}),
      },
    ];
  });
}

interface QuotaText {
  readonly member: string;
  readonly resource: string;
  readonly text: string;
}

function quotaTexts(tree: QuotaTree | undefined): Map<string, QuotaText> {
  const texts = (tree?.nodes ?? []).flatMap(({ name, quotas }) =>
    Object.entries(quotas).map(([resource, quota]): readonly [string, QuotaText] => [
      // No name has a line's end in it.
      `${name}\n${resource}`,
      { member: name, resource, text: quotaText(resource, quota) },
    ]),
  );
  return new Map(texts);
}

function quotaText(resource: string, { nominal, borrowingLimit, lendingLimit }: Quota): string {
  const said = (words: string, amount: number | undefined) =>
    amount === undefined ? "" : `, ${words} ${amountText(resource, amount)}`;
  return `${amountText(resource, nominal)}${said("borrows at most", borrowingLimit)}${said("lends at most", lendingLimit)}`;
}
