/** A form by which secrets that were issued somewhere are told from other text. */
export interface SecretForm {
  readonly what: string;
  /** Global; linear in the length of the text, with the secret as the whole match. */
  readonly pattern: RegExp;
}

/** Forms that issuers document or that a standard fixes; what merely looks random is none. */
export const secretForms: readonly SecretForm[] = [
  { what: "an access key of AWS", pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g },
  { what: "a token of GitHub", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})\b/g },
  { what: "a token of GitLab", pattern: /\bglpat-[\w-]{20,64}\b/g },
  { what: "a token of Slack", pattern: /\bxox[abprs]-[\w-]{10,200}/g },
  { what: "a key of Google", pattern: /\bAIza[\w-]{35}\b/g },
  { what: "an API key", pattern: /\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,200}/g },
  { what: "a token of Hugging Face", pattern: /\bhf_[A-Za-z0-9]{30,60}\b/g },
  { what: "a private key", pattern: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/g },
  { what: "a JSON Web Token", pattern: /\beyJ[\w-]{10,200}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}/g },
  {
    what: "a password in an address",
    pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"']{1,100}:[^\s/@"']{1,200}@/gi,
  },
];

/** What secrets a text holds, by their forms; the secrets themselves are not told. Pure. */
export function findSecretForms(text: string): string[] {
  return secretForms.filter(({ pattern }) => text.search(pattern) !== -1).map(({ what }) => what);
}
