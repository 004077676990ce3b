import tr46 from 'tr46'

// Preparation of localparts and resources (RFC 7622 §3.3, §3.4) by the PRECIS framework (RFC 8264, profiles of RFC 8265),
// with the Unicode data of the runtime. Every function is total; null means "not a valid string of this kind".

/** Bytes of one part of a JID in UTF-8 (RFC 7622 §3.1). */
export const JID_PART_BYTES = 1023

/** RFC 8264 §7: rules are applied until nothing changes; what does not settle is refused. */
const ROUNDS = 4

/** UsernameCaseMapped (RFC 8265 §3.3) without the characters that RFC 7622 §3.3.1 excludes. Not for the empty string. */
export function prepareLocal(text: string): string | null {
  const ascii = asciiLocal(text)
  if (ascii !== undefined) return ascii
  let prepared = text
  for (let round = 0; round < ROUNDS; round++) {
    const wide = mapWidth(prepared)
    if (!isIdentifier(wide)) return null
    const next = wide.toLowerCase().normalize('NFC')
    if (next === prepared) {
      return !LOCAL_EXCLUDED.test(next) && inContext(next) && keepsBidiRule(next) ? fitting(next) : null
    }
    prepared = next
  }
  return null
}

/** OpaqueString (RFC 8265 §4.2). Not for the empty string. */
export function prepareResource(text: string): string | null {
  if (isPrintableAscii(text)) return text.length <= JID_PART_BYTES ? text : null
  const prepared = text.replace(SPACES, ' ').normalize('NFC')
  return isFreeform(prepared) && inContext(prepared) ? fitting(prepared) : null
}

/** The same for what nodeprep lets through and PRECIS does not: symbols, and code points newer than our Unicode data. */
export function prepareLocalLeniently(text: string): string | null {
  const prepared = text.normalize('NFKC').toLowerCase().normalize('NFKC')
  if (prepared === '' || LOCAL_EXCLUDED.test(prepared) || LENIENT_LOCAL_REFUSED.test(prepared)) return null
  return fitting(prepared)
}

/** The same for what resourceprep lets through and PRECIS does not: joined emoji, and newer code points. */
export function prepareResourceLeniently(text: string): string | null {
  const prepared = text.replace(SPACES, ' ').normalize('NFC')
  return LENIENT_RESOURCE_REFUSED.test(prepared) ? null : fitting(prepared)
}

/** Full- and half-width forms become the usual ones (RFC 8264 §5.2.1). */
export function mapWidth(text: string): string {
  return text.replace(WIDTH_FORMS, form => form.normalize('NFKC'))
}

/** Every code point is of the IdentifierClass (RFC 8264 §4.2); contextual rules not yet looked at. */
export function isIdentifier(text: string): boolean {
  if (!IDENTIFIER.test(text) || DISALLOWED.test(text)) return false
  for (const character of text) {
    if (character > '\u007f' && character.normalize('NFKC') !== character) return false // HasCompat
  }
  return true
}

/** CONTEXTJ and CONTEXTO (RFC 5892 appendix A) hold for one label, localpart or resource. */
export function inContext(text: string): boolean {
  if (!CONTEXTUAL.test(text)) return true
  if (MIDDLE_DOT_ALONE.test(text) || KERAIA_ALONE.test(text) || GERESH_ALONE.test(text)) return false
  if (text.includes('\u30fb') && !KANA_OR_HAN.test(text)) return false
  if (ARABIC_DIGIT.test(text) && EXTENDED_ARABIC_DIGIT.test(text)) return false
  for (const [run] of text.matchAll(JOINED_RUN)) {
    // tr46 has the joining types; a run of letters, marks and joiners is a label to it.
    if (tr46.toUnicode(run, { checkJoiners: true }).error) return false
  }
  return true
}

/** Printable ASCII stays as it is; undefined where the text is not ASCII; null where it is and is not allowed. */
function asciiLocal(text: string): string | null | undefined {
  let upper = false
  let excluded = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 0x7f) return undefined
    if (code >= 0x41 && code <= 0x5a) upper = true
    // space and controls, " & ' / : < > @
    else if (
      code <= 0x20 ||
      code === 0x7f ||
      code === 0x22 ||
      code === 0x26 ||
      code === 0x27 ||
      code === 0x2f ||
      code === 0x3a ||
      code === 0x3c ||
      code === 0x3e ||
      code === 0x40
    )
      excluded = true
  }
  if (excluded || text.length > JID_PART_BYTES) return null
  return upper ? text.toLowerCase() : text
}

function isPrintableAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}

function isFreeform(text: string): boolean {
  return !FREEFORM_REFUSED.test(text) && !DISALLOWED.test(text)
}

/** The Bidi Rule (RFC 5893 §2) for a string that has right-to-left characters. */
function keepsBidiRule(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return true
  // tr46 has the bidi classes; a full stop would end its label, a comma has the same class.
  return !tr46.toUnicode(text.replaceAll('.', ','), { checkBidi: true }).error
}

function fitting(text: string): string | null {
  return text !== '' && Buffer.byteLength(text) <= JID_PART_BYTES ? text : null
}

const WIDTH_FORMS = /[\u3000\uff01-\uffef]/g
const SPACES = /\p{Zs}/gu
const LOCAL_EXCLUDED = /["&'/:<>@\s]/u

// PVALID, CONTEXTJ and CONTEXTO of RFC 8264 §8: ASCII7, LetterDigits, and the exceptions that are neither.
const IDENTIFIER =
  /^[!-~\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u3007\u30fb\p{Join_Control}]*$/u
// Refused in both classes: exceptions, old Hangul jamo, ignorable code points but for the joiners.
const DISALLOWED =
  /[\u0640\u07fa\u1100-\u11ff\u302e\u302f\u3031-\u3035\u303b\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]|(?!\p{Join_Control})[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u
const FREEFORM_REFUSED = /(?!\p{Join_Control})\p{C}|[\u2028\u2029]/u

const LENIENT_LOCAL_REFUSED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{Noncharacter_Code_Point}]/u
const LENIENT_RESOURCE_REFUSED =
  /[\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\p{Bidi_Control}]/u

const CONTEXTUAL = /[\u00b7\u0375\u05f3\u05f4\u0660-\u0669\u06f0-\u06f9\u30fb\p{Join_Control}]/u
const MIDDLE_DOT_ALONE = /(?<!l)\u00b7|\u00b7(?!l)/
const KERAIA_ALONE = /\u0375(?!\p{Script=Greek})/u
const GERESH_ALONE = /(?<!\p{Script=Hebrew})[\u05f3\u05f4]/u
const KANA_OR_HAN = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u
const ARABIC_DIGIT = /[\u0660-\u0669]/
const EXTENDED_ARABIC_DIGIT = /[\u06f0-\u06f9]/
const JOINED_RUN = /[\p{L}\p{M}]*\p{Join_Control}[\p{L}\p{M}\p{Join_Control}]*/gu
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
