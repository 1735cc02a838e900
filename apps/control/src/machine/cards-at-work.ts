import { type CardLoad, watchCards } from "./watch-cards.ts";

/** Told when asked; the program that tells it is started by the first question. */
export type CardsOfMachine = () => CardLoad | undefined;

/** One watch for all who ask. */
export function cardsOfMachine(start: () => CardsOfMachine = watchCards): CardsOfMachine {
  let watch: CardsOfMachine | undefined;
  return () => {
    watch ??= start();
    return watch();
  };
}
