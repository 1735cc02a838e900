import { isIban, isLuhn, isNpi, isSocialSecurityNumber, isVin } from "./checksums.ts";

/** What a column holds, as 45 CFR 164.514(b)(2)(i) counts identifiers; `free_text` may hold any of them. */
export type IdentifierKind =
  | "name"
  | "geography"
  | "zip"
  | "date"
  | "birth_date"
  | "age"
  | "phone"
  | "email"
  | "ssn"
  | "record_number"
  | "plan_number"
  | "account"
  | "licence"
  | "vehicle"
  | "device"
  | "url"
  | "ip"
  | "biometric"
  | "image"
  | "free_text"
  | "unique_code";

/** The paragraph of Safe Harbor that names a kind. */
export const paragraphs: Readonly<Record<IdentifierKind, string>> = {
  name: "A",
  geography: "B",
  zip: "B",
  date: "C",
  birth_date: "C",
  age: "C",
  phone: "D, E",
  email: "F",
  ssn: "G",
  record_number: "H",
  plan_number: "I",
  account: "J",
  licence: "K",
  vehicle: "L",
  device: "M",
  url: "N",
  ip: "O",
  biometric: "P",
  image: "Q",
  free_text: "A to R",
  unique_code: "R",
};

/** Words in a column's name, split at underscores, hyphens, dots, spaces and humps, that say what it holds; the first that fits counts. */
const nameWords: readonly (readonly [IdentifierKind, RegExp])[] = [
  ["email", /\be ?mail\b/],
  ["phone", /\b(phone|telephone|tel|mobile|cell|fax)\b/],
  ["ssn", /\b(ssn|social security|sozialversicherung|tin|national id)\b/],
  [
    "record_number",
    /\b(mrn|medical record|record (no|number|id)|chart (no|number)|patient (no|nbr|number|id)|encounter id|patient)\b$/,
  ],
  ["plan_number", /\b(plan|policy|member|beneficiary|subscriber|insurance) (no|nbr|number|id)\b/],
  ["account", /\b(account|acct|iban|card) ?(no|nbr|number|id)?\b/],
  ["licence", /\b(licen[cs]e|certificate|npi|dea|passport)\b/],
  ["vehicle", /\b(vin|vehicle id|plate|license plate)\b/],
  ["device", /\b(device (id|serial)|serial (no|number)|imei|mac address|mac)\b/],
  ["url", /\b(url|website|homepage|link)\b/],
  ["ip", /\b(ip|ip address|ipaddr)\b/],
  ["biometric", /\b(fingerprint|retina|iris scan|voice ?print|biometric|dna)\b/],
  ["image", /\b(photo|photograph|image|picture|face)\b/],
  ["birth_date", /\b(dob|birth ?date|date of birth|birthday|born)\b/],
  ["zip", /\b(zip|zip ?code|postal|post ?code|plz)\b/],
  [
    "geography",
    /\b(street|address|addr|city|town|village|county|parish|precinct|district|latitude|longitude|lat|lon|lng|geo ?code|location)\b/,
  ],
  [
    "name",
    /\b(name|first ?name|last ?name|surname|given name|family name|maiden|full ?name|patient name|contact|physician|doctor)\b/,
  ],
  ["age", /\bage\b/],
  [
    "date",
    /\b(date|admitted|admission|discharged|discharge date|died|death|deceased|visit date|timestamp)\b/,
  ],
  ["free_text", /\b(note|notes|comment|comments|remark|remarks|narrative|description|free ?text|text)\b/],
];

/** What a column's name says, if anything. */
export function kindOfName(column: string): IdentifierKind | undefined {
  const words = column
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .replaceAll(/[_\-.\s[\]"]+/g, " ")
    .toLowerCase()
    .trim();
  return nameWords.find(([, words_]) => words_.test(words))?.[0];
}

/** What a value's form says. */
export interface ValueForm {
  readonly kind: IdentifierKind;
  readonly name: string;
  /** Anywhere in a text; RE2 and JavaScript read it alike. */
  readonly pattern: string;
  /** Absent where the form alone is enough. */
  readonly check?: (found: string) => boolean;
  /** Its digits may be a number, too: looked for in columns of numbers. */
  readonly isNumeric?: true;
  /** Share of a column's values that must have it before the column counts as such; 0 where one is enough. */
  readonly leastShare: number;
}

const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

export const valueForms: readonly ValueForm[] = [
  {
    kind: "email",
    name: "e-mail address",
    pattern: "[A-Za-z0-9._%+\\-]+@[A-Za-z0-9\\-]+(?:\\.[A-Za-z0-9\\-]+)*\\.[A-Za-z]{2,}",
    leastShare: 0,
  },
  { kind: "url", name: "web address", pattern: 'https?://[^\\s"<>]+', leastShare: 0 },
  {
    kind: "ssn",
    name: "social security number",
    pattern: "\\b[0-9]{3}-[0-9]{2}-[0-9]{4}\\b",
    check: isSocialSecurityNumber,
    leastShare: 0,
  },
  // Most numbers of nine digits could be one: a column counts when nearly all its values could.
  {
    kind: "ssn",
    name: "social security number without hyphens",
    pattern: "^ *[0-9]{9} *$",
    check: (found) => isSocialSecurityNumber(found.trim().replace(/^(.{3})(.{2})/, "$1-$2-")),
    isNumeric: true,
    leastShare: 0.9,
  },
  {
    kind: "phone",
    name: "telephone number",
    pattern: "(?:\\+1[ .\\-]?)?(?:\\([0-9]{3}\\) ?|\\b[0-9]{3}[ .\\-])[0-9]{3}[ .\\-][0-9]{4}\\b",
    leastShare: 0,
  },
  { kind: "ip", name: "IPv4 address", pattern: `\\b(?:${octet}\\.){3}${octet}\\b`, leastShare: 0 },
  {
    kind: "ip",
    name: "IPv6 address",
    pattern: "\\b(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\\b",
    leastShare: 0,
  },
  {
    kind: "device",
    name: "hardware address",
    pattern: "\\b(?:[0-9A-Fa-f]{2}[:\\-]){5}[0-9A-Fa-f]{2}\\b",
    leastShare: 0,
  },
  {
    kind: "account",
    name: "IBAN",
    pattern: "\\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\\b",
    check: isIban,
    leastShare: 0,
  },
  // A tenth of all digits pass Luhn's check by chance: single ones say nothing.
  {
    kind: "account",
    name: "payment card number",
    pattern: "\\b[0-9]{4}[ \\-]?[0-9]{4}[ \\-]?[0-9]{4}[ \\-]?[0-9]{1,7}\\b",
    check: isLuhn,
    isNumeric: true,
    leastShare: 0.5,
  },
  {
    kind: "licence",
    name: "NPI",
    pattern: "\\b[12][0-9]{9}\\b",
    check: isNpi,
    isNumeric: true,
    leastShare: 0.5,
  },
  { kind: "vehicle", name: "VIN", pattern: "\\b[A-HJ-NPR-Z0-9]{17}\\b", check: isVin, leastShare: 0.5 },
];

/** Of the census of 2000: the first three digits of a ZIP code stand for 20,000 people or fewer (HHS guidance of 2012). */
export const smallZips = [
  "036",
  "059",
  "063",
  "102",
  "203",
  "556",
  "692",
  "790",
  "821",
  "823",
  "830",
  "831",
  "878",
  "879",
  "884",
  "890",
  "893",
] as const;
