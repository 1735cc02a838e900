/** Checksums that tell an identifier from digits that merely look like one. All take the text as it was found. */

const digitsOf = (text: string): number[] =>
  text
    .replaceAll(/[^0-9]/g, "")
    .split("")
    .map(Number);

/** Luhn's, of payment cards; over `80840` and the number of a National Provider Identifier (NPI). */
export function isLuhn(text: string): boolean {
  const digits = digitsOf(text).toReversed();
  const sum = digits.reduce((all, digit, at) => {
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    return all + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return digits.length > 1 && sum % 10 === 0;
}

export function isNpi(text: string): boolean {
  return isLuhn(`80840${text}`);
}

/** ISO 13616: the first four characters moved to the end, letters as 10 to 35, the rest of 97 is one. */
export function isIban(text: string): boolean {
  const packed = text.replaceAll(/[ -]/g, "").toUpperCase();
  const turned = packed.slice(4) + packed.slice(0, 4);
  let rest = 0;
  for (const character of turned) {
    const value = Number.parseInt(character, 36);
    if (Number.isNaN(value)) return false;
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return packed.length >= 15 && rest === 1;
}

/** Digits and letters at the place whose last digit is their value; I, O and Q have none. */
const vinPlaces = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
const vinWeights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/** 49 CFR 565.15: the ninth character is the weighted sum's rest of 11, ten as X. */
export function isVin(text: string): boolean {
  const rest =
    text.split("").reduce((all, one, at) => all + (vinPlaces.indexOf(one) % 10) * (vinWeights[at] ?? 0), 0) %
    11;
  return text.length === 17 && text[8] === (rest === 10 ? "X" : String(rest));
}

/** The Social Security Administration gives out no area 000, 666 or 9xx, no group 00 and no serial 0000. */
export function isSocialSecurityNumber(text: string): boolean {
  const [area = "", group = "", serial = ""] = text.split("-");
  return area !== "000" && area !== "666" && area < "900" && group !== "00" && serial !== "0000";
}
