import { BytesElement } from './bytes-element.ts'
import {
  CLASS,
  isCharacter,
  isNameCharacter,
  isNameStart,
  NAME,
  NAME_START,
  PLAIN_TEXT,
  PLAIN_VALUE,
  SPACE,
} from './characters.ts'
import { judgeDeclaration } from './declaration.ts'
import { own, Pieces } from './pieces.ts'
import type { XmlLimits } from './scanned.ts'
import { type Context, contextOf, NO_CONTEXT, Scope } from './scope.ts'
import {
  COLON_AT,
  DEFAULT_DECLARATION,
  declarationKind,
  FLAGS,
  NAME_AT,
  NAME_END,
  STRIDE,
  StartTag,
  VALUE_AT,
  VALUE_END,
} from './start-tag.ts'
import { isEntity, REFERENCED, SPACED, WIDE } from './text.ts'
import { codePointAt, sequenceLength } from './utf8.ts'
import { FAULT, type Fault } from './violation.ts'

/** What `run` stopped for. */
const MORE = 1
export const ELEMENT = 2
export const HEADER = 3
export const END = 4
export const FAILED = 5
const GO_ON = 0
type Outcome = 0 | 1 | 2 | 3 | 4 | 5

// States: between which two bytes of the grammar the scanner stands.
const OUTSIDE = 0
const MARKUP = 1
const START_NAME = 2
const TAG = 3
const ATTRIBUTE_NAME = 4
const EQUALS = 5
const QUOTE = 6
const VALUE = 7
const SLASH = 8
const TEXT = 9
const END_NAME = 10
const END_SPACE = 11
const REFERENCE = 12
const ENTITY = 13
const DECIMAL = 14
const HEXADECIMAL = 15
const CDATA = 16
const XML_DECLARATION = 17

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const BLANK = 0x20
const BANG = 0x21
const QUOT = 0x22
const HASH = 0x23
const AMP = 0x26
const APOS = 0x27
const MINUS = 0x2d
const SOLIDUS = 0x2f
const COLON = 0x3a
const SEMICOLON = 0x3b
const LT = 0x3c
const EQ = 0x3d
const GT = 0x3e
const QUESTION = 0x3f
const BRACKET = 0x5d
const X = 0x78

const CDATA_START = '[CDATA['
const UPPER_D = 0x44
const DECLARATION_START = 'xml'

/** A top-level element's start tag, kept while the rest is scanned. */
export interface RootTag {
  readonly nameAt: number
  readonly colonAt: number
  readonly nameEnd: number
  readonly nameFlags: number
  /** null where it is the value of the tag's own xmlns */
  readonly namespace: string | null
  /** in the form of StartTag's table */
  readonly attributes: readonly number[]
}

const EMPTY = Buffer.alloc(0)
const NO_ROOT: RootTag = { nameAt: 0, colonAt: -1, nameEnd: 0, nameFlags: 0, namespace: '', attributes: [] }

/**
 * The one scanner of everything that peers write. It stops wherever the bytes end and goes on from there, so that it makes
 * no difference how they are cut; nothing is looked at twice. What it accepts is well-formed, namespace-well-formed and
 * within XMPP's subset. It makes no strings and no objects, except where prefixes are declared or used.
 */
export class Scanner {
  /** refused for this; the place is `offset` */
  fault: Fault | null = null

  readonly #isStream: boolean
  #bytes: Buffer = EMPTY
  readonly #pieces = new Pieces()
  #end = 0
  /** where scanning stops for now: the end, or the last byte that the element may have */
  #stop = 0
  #position = 0
  #state = OUTSIDE
  /** offset in the document of the first byte in #bytes */
  #origin = 0
  #limits: XmlLimits
  #nextLimits: XmlLimits

  // the document
  #context: Context
  /** of the stream's root, once it is open */
  #rootName: Buffer | null = null
  #isOver = false
  /** the stream's root was an empty element */
  #isEmpty = false

  // the top-level element
  #start = 0
  #elements = 0
  #depth = 0
  readonly #scope = new Scope()
  /** three numbers an open element: its name's start and end, and what its end tag has to undo */
  readonly #open: number[] = []
  /** open elements that declare a default namespace */
  #defaults = 0
  #isCertain = true
  #root: RootTag = NO_ROOT

  // the token
  readonly #tag = new StartTag()
  #tokenStart = 0
  #colon = -1
  /** of the prefix, or of the local part once the colon was seen */
  #partStart = 0
  #nameFlags = 0
  #spaced = false
  #quote = 0
  #valueFlags = 0
  #returnTo = TEXT
  #code = 0
  #digits = 0

  constructor(limits: XmlLimits, isStream: boolean, context: Context = NO_CONTEXT) {
    this.#limits = limits
    this.#nextLimits = limits
    this.#isStream = isStream
    this.#context = context
  }

  setLimits(limits: XmlLimits): void {
    this.#nextLimits = limits
  }

  /** offset in the document */
  get offset(): number {
    return this.#origin + this.#position
  }

  /** first byte that is still needed: that of the element under way */
  get retainedFrom(): number {
    return this.isInside ? this.#start : this.#position
  }

  get isInside(): boolean {
    return this.#state !== OUTSIDE
  }

  /** The bytes to go on with. They begin with what was retained, which stood at `retainedFrom` before. */
  feed(bytes: Buffer, end: number, retainedFrom: number): void {
    this.#bytes = bytes
    this.#end = end
    this.#origin += retainedFrom
    this.#position -= retainedFrom
    this.#start -= retainedFrom
    this.#tokenStart -= retainedFrom
    this.#partStart -= retainedFrom
    if (this.#colon >= 0) this.#colon -= retainedFrom
    this.#stop = this.isInside ? Math.min(end, this.#start + this.#limits.bytes) : end
  }

  get isAtEnd(): boolean {
    return this.#position === this.#end
  }

  /** Lets go of the bytes. */
  release(): void {
    this.#bytes = EMPTY
    this.#pieces.release()
  }

  /** A new document begins with the next byte. */
  reset(context: Context = NO_CONTEXT): void {
    this.#state = OUTSIDE
    this.#origin = 0
    this.#position = 0
    this.#start = 0
    this.#colon = -1
    this.#context = context
    this.#rootName = null
    this.#isOver = false
    this.#isEmpty = false
    this.#bytes = EMPTY
    this.#end = 0
    this.#stop = 0
    this.fault = null
  }

  run(): Outcome {
    if (this.#isEmpty && this.#rootName !== null) return this.#endStream()
    for (;;) {
      const outcome = this.#position < this.#stop ? this.#step() : this.#starved()
      if (outcome !== GO_ON) return outcome
    }
  }

  /** The element that `run` has just stopped for. */
  take(): BytesElement {
    const isHeader = this.#isStream && this.#rootName === null
    const isWhole = this.#start === 0 && this.#position === this.#bytes.length
    const element = new BytesElement(
      isWhole ? own(this.#bytes) : this.#pieces.cut(this.#bytes, this.#start, this.#position, this.#end),
      this.#root,
      this.#context,
      this.#isCertain && !isHeader,
    )
    if (isHeader) {
      this.#rootName = element.rawName()
      this.#context = contextOf(element.declarations())
    }
    return element
  }

  #clear(): void {
    this.#scope.enter(this.#context)
    this.#elements = 0
    this.#depth = 0
    this.#defaults = 0
    this.#isCertain = true
  }

  #fail(fault: Fault, position: number): Outcome {
    this.#position = position
    this.fault = fault
    return FAILED
  }

  /** Out of bytes: for now, or because the element may not have more. */
  #starved(): Outcome {
    return this.#stop < this.#end ? this.#fail(FAULT.bytes, this.#stop) : MORE
  }

  #goOn(state: number, position: number): Outcome {
    this.#state = state
    this.#position = position
    return GO_ON
  }

  #step(): Outcome {
    switch (this.#state) {
      case OUTSIDE:
        return this.#outside()
      case MARKUP:
        return this.#markup()
      case START_NAME:
        return this.#startName()
      case TAG:
        return this.#inTag()
      case ATTRIBUTE_NAME:
        return this.#attributeName()
      case EQUALS:
        return this.#equals()
      case QUOTE:
        return this.#openQuote()
      case VALUE:
        return this.#value()
      case SLASH:
        return this.#slash()
      case TEXT:
        return this.#text()
      case END_NAME:
        return this.#endName()
      case END_SPACE:
        return this.#endSpace()
      case REFERENCE:
        return this.#reference()
      case ENTITY:
        return this.#entity()
      case DECIMAL:
        return this.#decimal()
      case HEXADECIMAL:
        return this.#hexadecimal()
      case CDATA:
        return this.#cdata()
      default:
        return this.#xmlDeclaration()
    }
  }

  // -- between elements

  #outside(): Outcome {
    const bytes = this.#bytes
    let position = this.#position
    if (!this.#isStream && this.offset === 0 && bytes[position] !== LT)
      return this.#fail(FAULT.start, position) // WS-24
    if (this.#isOver && this.#isStream) return this.#goOn(OUTSIDE, this.#stop)
    while (position < this.#stop && ((CLASS[bytes[position] as number] as number) & SPACE) !== 0) position++
    if (position === this.#stop) return this.#goOn(OUTSIDE, position)
    if (this.#isOver) return this.#fail(FAULT.trailing, position) // WS-21
    if (bytes[position] !== LT) {
      return this.#fail(this.#rootName === null ? FAULT.prolog : FAULT.streamText, position)
    }
    this.#limits = this.#nextLimits
    this.#start = position
    this.#stop = Math.min(this.#end, position + this.#limits.bytes)
    this.#clear()
    return this.#goOn(MARKUP, position + 1)
  }

  /** After `<`. */
  #markup(): Outcome {
    const position = this.#position
    switch (this.#bytes[position]) {
      case SOLIDUS:
        if (this.#depth === 0 && this.#rootName === null) return this.#fail(FAULT.unopened, position)
        this.#tokenStart = position + 1
        this.#state = END_NAME
        this.#position = position + 1
        return position + 1 < this.#stop ? this.#endName() : GO_ON
      case BANG:
        return this.#declarationOrCdata(position + 1)
      case QUESTION:
        return this.#instruction(position + 1)
      default:
        return this.#beginTag(position)
    }
  }

  /** After `<!`. Refused as soon as it can only be what XMPP forbids (XM-01). */
  #declarationOrCdata(position: number): Outcome {
    const bytes = this.#bytes
    if (position >= this.#stop) return this.#starved()
    if (bytes[position] === MINUS) {
      if (position + 1 >= this.#stop) return this.#starved()
      return this.#fail(bytes[position + 1] === MINUS ? FAULT.comment : FAULT.markup, position)
    }
    if (bytes[position] === UPPER_D) return this.#fail(FAULT.doctype, position)
    for (let i = 0; i < CDATA_START.length; i++) {
      if (position + i >= this.#stop) return this.#starved()
      if (bytes[position + i] !== CDATA_START.charCodeAt(i)) return this.#fail(FAULT.markup, position + i)
    }
    if (this.#depth === 0) {
      return this.#fail(this.#rootName === null ? FAULT.markup : FAULT.streamText, position)
    }
    this.#isCertain = false
    return this.#goOn(CDATA, position + CDATA_START.length)
  }

  /** After `<?`: only an XML declaration, and only at the very start (WS-25). */
  #instruction(position: number): Outcome {
    const bytes = this.#bytes
    if (this.#origin + position !== 2) return this.#fail(FAULT.instruction, position)
    for (let i = 0; i < DECLARATION_START.length; i++) {
      if (position + i >= this.#stop) return this.#starved()
      if (bytes[position + i] !== DECLARATION_START.charCodeAt(i)) {
        return this.#fail(FAULT.instruction, position + i)
      }
    }
    const after = position + DECLARATION_START.length
    if (after >= this.#stop) return this.#starved()
    if (((CLASS[bytes[after] as number] as number) & SPACE) === 0) return this.#fail(FAULT.instruction, after)
    return this.#goOn(XML_DECLARATION, after)
  }

  #xmlDeclaration(): Outcome {
    const bytes = this.#bytes
    let position = this.#position
    while (position < this.#stop && bytes[position] !== GT) position++
    if (position === this.#stop) {
      this.#position = position
      return this.#starved()
    }
    const fault = judgeDeclaration(bytes.toString('latin1', this.#start, position + 1))
    if (fault !== null) return this.#fail(fault, position)
    this.#stop = this.#end
    return this.#goOn(OUTSIDE, position + 1)
  }

  // -- start tags

  #beginTag(position: number): Outcome {
    if (this.#depth >= this.#limits.depth) return this.#fail(FAULT.depth, position)
    if (++this.#elements > this.#limits.elements) return this.#fail(FAULT.elements, position)
    const tag = this.#tag
    tag.clear()
    const end = this.#plainName(position)
    if (end < 0) {
      this.#beginName(position)
      return this.#goOn(START_NAME, position)
    }
    tag.nameAt = position - this.#start
    tag.colonAt = this.#colon < 0 ? -1 : this.#colon - this.#start
    tag.nameEnd = end - this.#start
    tag.nameFlags = 0
    this.#spaced = false
    this.#state = TAG
    this.#position = end
    return this.#inTag()
  }

  /**
   * End of a name of ASCII that is wholly there, its colon in #colon; -1 for any other, which is then read the long way.
   * Most names are read here.
   */
  #plainName(position: number): number {
    const bytes = this.#bytes
    const stop = this.#stop
    this.#colon = -1
    let at = position
    for (;;) {
      if (at >= stop || ((CLASS[bytes[at] as number] as number) & NAME_START) === 0) return -1
      at++
      while (at < stop && ((CLASS[bytes[at] as number] as number) & NAME) !== 0) at++
      if (at === stop) return -1
      const byte = bytes[at] as number
      if (byte !== COLON) return byte < 0x80 && at - position <= this.#limits.nameBytes ? at : -1
      if (this.#colon >= 0) return -1
      this.#colon = at++
    }
  }

  #beginName(position: number): void {
    this.#tokenStart = position
    this.#partStart = position
    this.#colon = -1
    this.#nameFlags = 0
  }

  /** Goes on with a qualified name; GO_ON at its end, which is `position` then. */
  #name(): Outcome {
    const bytes = this.#bytes
    const stop = this.#stop
    let position = this.#position
    for (;;) {
      if (position === this.#partStart && position < stop) {
        const kind = CLASS[bytes[position] as number] as number
        if ((kind & NAME_START) !== 0) position++
        else if ((bytes[position] as number) < 0x80) return this.#fail(FAULT.name, position)
      }
      while (position < stop && ((CLASS[bytes[position] as number] as number) & NAME) !== 0) position++
      if (position === stop) break
      const byte = bytes[position] as number
      if (byte >= 0x80) {
        const length = this.#wideNameCharacter(position)
        if (length < 0) return FAILED
        if (length === 0) return this.#wait(position)
        position += length
        continue
      }
      if (byte !== COLON) break
      if (this.#colon >= 0) return this.#fail(FAULT.colons, position)
      this.#colon = position++
      this.#partStart = position
    }
    this.#position = position
    if (position === stop) return this.#starved()
    if (position - this.#tokenStart > this.#limits.nameBytes) return this.#fail(FAULT.nameBytes, position)
    return GO_ON
  }

  /** Its length; 0 where bytes are missing, -1 where it is refused. */
  #wideNameCharacter(position: number): number {
    const length = this.#sequence(position)
    if (length <= 0) return length
    const codePoint = codePointAt(this.#bytes, position, length)
    const allowed = position === this.#partStart ? isNameStart(codePoint) : isNameCharacter(codePoint)
    if (!allowed) {
      this.#fail(FAULT.name, position)
      return -1
    }
    this.#nameFlags = WIDE
    return length
  }

  #startName(): Outcome {
    const outcome = this.#name()
    if (outcome !== GO_ON) return outcome
    const tag = this.#tag
    tag.nameAt = this.#tokenStart - this.#start
    tag.colonAt = this.#colon < 0 ? -1 : this.#colon - this.#start
    tag.nameEnd = this.#position - this.#start
    tag.nameFlags = this.#nameFlags
    this.#spaced = false
    this.#state = TAG
    return GO_ON
  }

  /** In a start tag, before an attribute or its end. Attributes without anything special in them are read at once. */
  #inTag(): Outcome {
    const tag = this.#tag
    const bytes = this.#bytes
    const stop = this.#stop
    let position = this.#position
    while (position < stop) {
      const byte = bytes[position] as number
      if (((CLASS[byte] as number) & SPACE) !== 0) {
        this.#spaced = true
        position++
        continue
      }
      if (byte === GT) return this.#openElement(position + 1)
      if (byte === SOLIDUS) {
        this.#goOn(SLASH, position + 1)
        return position + 1 < stop ? this.#slash() : GO_ON
      }
      if (!this.#spaced) return this.#fail(this.#tag.count > 0 ? FAULT.attributeSpace : FAULT.name, position)
      this.#tokenStart = position
      const end = this.#plainName(position)
      if (end < 0 || end + 1 >= stop || bytes[end] !== EQ || !isQuote(bytes[end + 1] as number)) {
        this.#beginName(position)
        return this.#goOn(ATTRIBUTE_NAME, position)
      }
      const fault = this.#keepName(end)
      if (fault !== null) return this.#fail(fault, end)
      const quote = bytes[end + 1] as number
      const start = end + 2
      this.#quote = quote
      tag.table[tag.count * STRIDE + VALUE_AT] = start - this.#start
      position = start
      while (
        position + 3 < stop &&
        ((CLASS[bytes[position] as number] as number) &
          (CLASS[bytes[position + 1] as number] as number) &
          (CLASS[bytes[position + 2] as number] as number) &
          (CLASS[bytes[position + 3] as number] as number) &
          PLAIN_VALUE) !==
          0
      ) {
        position += 4
      }
      while (position < stop && ((CLASS[bytes[position] as number] as number) & PLAIN_VALUE) !== 0) position++
      if (position === stop || bytes[position] !== quote) return this.#goOn(VALUE, position)
      const at = tag.count++ * STRIDE
      tag.table[at + VALUE_END] = position - this.#start
      tag.table[at + FLAGS] = this.#valueFlags
      if (this.#valueFlags === DEFAULT_DECLARATION) tag.hasDefault = true
      position++
      // what follows most values
      const next = position < stop ? bytes[position] : 0
      this.#spaced = next === BLANK
      if (this.#spaced) position++
    }
    return this.#goOn(TAG, position)
  }

  #attributeName(): Outcome {
    const outcome = this.#name()
    if (outcome !== GO_ON) return outcome
    const fault = this.#keepName(this.#position)
    if (fault !== null) return this.#fail(fault, this.#position)
    this.#state = EQUALS
    return GO_ON
  }

  /** Of an attribute: from #tokenStart to `end`. */
  #keepName(end: number): Fault | null {
    const tag = this.#tag
    const start = this.#start
    const colon = this.#colon
    const at = tag.count * STRIDE
    tag.table[at + NAME_AT] = this.#tokenStart - start
    tag.table[at + COLON_AT] = colon < 0 ? -1 : colon - start
    tag.table[at + NAME_END] = end - start
    tag.suspect(
      this.#bytes[this.#tokenStart] as number,
      this.#bytes[end - 1] as number,
      end - this.#tokenStart,
    )
    this.#valueFlags = declarationKind(this.#bytes, this.#tokenStart, colon, end)
    if (this.#valueFlags !== 0) return ++tag.declarations > this.#limits.namespaces ? FAULT.namespaces : null
    if (colon >= 0) tag.prefixed++
    return tag.count - tag.declarations >= this.#limits.attributes ? FAULT.attributes : null
  }

  #equals(): Outcome {
    const position = this.#skipSpace()
    if (position < 0) return GO_ON
    if (this.#bytes[position] !== EQ) return this.#fail(FAULT.attributeValue, position)
    return this.#goOn(QUOTE, position + 1)
  }

  #openQuote(): Outcome {
    const position = this.#skipSpace()
    if (position < 0) return GO_ON
    const byte = this.#bytes[position] as number
    if (!isQuote(byte)) return this.#fail(FAULT.attributeValue, position)
    this.#quote = byte
    this.#tag.table[this.#tag.count * STRIDE + VALUE_AT] = position + 1 - this.#start
    return this.#goOn(VALUE, position + 1)
  }

  /** To the next byte that is no space; -1 where there is none yet. */
  #skipSpace(): number {
    const bytes = this.#bytes
    let position = this.#position
    while (position < this.#stop && ((CLASS[bytes[position] as number] as number) & SPACE) !== 0) position++
    this.#position = position
    return position < this.#stop ? position : -1
  }

  #value(): Outcome {
    const bytes = this.#bytes
    const stop = this.#stop
    let position = this.#position
    for (;;) {
      while (position < stop && ((CLASS[bytes[position] as number] as number) & PLAIN_VALUE) !== 0) position++
      if (position === stop) return this.#goOn(VALUE, position)
      const byte = bytes[position] as number
      if (byte === this.#quote) return this.#closeQuote(position)
      if (byte === APOS || byte === QUOT) position++
      else if (byte === AMP) {
        this.#valueFlags |= REFERENCED
        this.#returnTo = VALUE
        return this.#goOn(REFERENCE, position + 1)
      } else if (byte >= 0x80) {
        this.#valueFlags |= WIDE
        const next = this.#wide(position)
        if (next <= position) return next < 0 ? FAILED : this.#wait(position)
        position = next
      } else if (byte === LT) return this.#fail(FAULT.valueLt, position)
      else if (byte === TAB || byte === LF || byte === CR) {
        // Every parser must make it a space; ours says so itself.
        this.#valueFlags |= SPACED
        this.#isCertain = false
        position++
      } else return this.#fail(FAULT.character, position)
    }
  }

  #closeQuote(position: number): Outcome {
    const tag = this.#tag
    const at = tag.count++ * STRIDE
    tag.table[at + VALUE_END] = position - this.#start
    tag.table[at + FLAGS] = this.#valueFlags
    if ((this.#valueFlags & DEFAULT_DECLARATION) !== 0) tag.hasDefault = true
    this.#spaced = false
    return this.#goOn(TAG, position + 1)
  }

  #slash(): Outcome {
    const position = this.#position
    if (this.#bytes[position] !== GT) return this.#fail(FAULT.tag, position)
    const outcome = this.#openElement(position + 1)
    if (outcome === GO_ON) return this.#closeElement()
    this.#isEmpty = outcome === HEADER
    return outcome
  }

  /** A start tag is complete. */
  #openElement(position: number): Outcome {
    this.#position = position
    const tag = this.#tag
    const mark = this.#scope.mark
    const fault = tag.judge(this.#bytes, this.#start, this.#scope)
    if (fault !== null) return this.#fail(fault, position)
    if (tag.hasDefault) this.#defaults++
    if (tag.inherits || (tag.colonAt < 0 && this.#defaults === 0)) this.#isCertain = false
    if (this.#depth === 0) this.#keepRoot()
    if (this.#isStream && this.#rootName === null) {
      this.#state = OUTSIDE
      this.#stop = this.#end
      return HEADER
    }
    const at = this.#depth++ * 3
    this.#open[at] = tag.nameAt
    this.#open[at + 1] = tag.nameEnd
    this.#open[at + 2] = 2 * mark + (tag.hasDefault ? 1 : 0)
    this.#state = TEXT
    return GO_ON
  }

  #keepRoot(): void {
    const { nameAt, colonAt, nameEnd, nameFlags, namespace, hasDefault, table, count } = this.#tag
    this.#root = {
      nameAt,
      colonAt,
      nameEnd,
      nameFlags,
      namespace: colonAt >= 0 ? namespace : hasDefault ? null : (this.#context.get('')?.namespace ?? ''),
      attributes: table.slice(0, count * STRIDE),
    }
  }

  // -- end tags

  /** The bytes must be those of the start tag, one by one. */
  #endName(): Outcome {
    const bytes = this.#bytes
    let position = this.#position
    let source = bytes
    let from = 0
    let length = this.#rootName?.length ?? 0
    if (this.#depth > 0) {
      const at = (this.#depth - 1) * 3
      from = (this.#open[at] as number) + this.#start
      length = (this.#open[at + 1] as number) + this.#start - from
    } else if (this.#rootName !== null) source = this.#rootName
    let matched = position - this.#tokenStart
    while (position < this.#stop && matched < length && bytes[position] === source[from + matched]) {
      position++
      matched++
    }
    if (matched < length) {
      return position === this.#stop ? this.#goOn(END_NAME, position) : this.#fail(FAULT.endTag, position)
    }
    this.#goOn(END_SPACE, position)
    return position < this.#stop ? this.#endSpace() : GO_ON
  }

  #endSpace(): Outcome {
    const position = this.#skipSpace()
    if (position < 0) return GO_ON
    if (this.#bytes[position] !== GT) return this.#fail(FAULT.endTag, position)
    this.#position = position + 1
    if (this.#depth > 0) return this.#closeElement()
    return this.#endStream()
  }

  #closeElement(): Outcome {
    const undo = this.#open[--this.#depth * 3 + 2] as number
    if (this.#scope.mark > undo >> 1) this.#scope.leave(undo >> 1)
    this.#defaults -= undo & 1
    this.#state = TEXT
    if (this.#depth > 0) return GO_ON
    this.#state = OUTSIDE
    this.#stop = this.#end
    this.#isOver = !this.#isStream
    return ELEMENT
  }

  #endStream(): Outcome {
    this.#isOver = true
    this.#isEmpty = false
    this.#state = OUTSIDE
    this.#stop = this.#end
    return END
  }

  // -- content

  #text(): Outcome {
    const bytes = this.#bytes
    const stop = this.#stop
    let position = this.#position
    for (;;) {
      // four at a time while there are four: most bytes are read here
      while (
        position + 3 < stop &&
        ((CLASS[bytes[position] as number] as number) &
          (CLASS[bytes[position + 1] as number] as number) &
          (CLASS[bytes[position + 2] as number] as number) &
          (CLASS[bytes[position + 3] as number] as number) &
          PLAIN_TEXT) !==
          0
      ) {
        position += 4
      }
      while (position < stop && ((CLASS[bytes[position] as number] as number) & PLAIN_TEXT) !== 0) position++
      if (position === stop) return this.#goOn(TEXT, position)
      const byte = bytes[position] as number
      if (byte === LT) {
        this.#goOn(MARKUP, position + 1)
        return position + 1 < stop ? this.#markup() : GO_ON
      }
      if (byte === AMP) {
        this.#returnTo = TEXT
        return this.#goOn(REFERENCE, position + 1)
      }
      if (byte >= 0x80) {
        const next = this.#wide(position)
        if (next <= position) return next < 0 ? FAILED : this.#wait(position)
        position = next
      } else if (byte === GT) {
        if (this.#endsCdata(position)) return this.#fail(FAULT.cdataEnd, position)
        position++
      } else if (byte === CR) {
        // Every parser must make it a line feed; ours says so itself.
        this.#isCertain = false
        position++
      } else return this.#fail(FAULT.character, position)
    }
  }

  #cdata(): Outcome {
    const bytes = this.#bytes
    const stop = this.#stop
    let position = this.#position
    for (;;) {
      while (position < stop && ((CLASS[bytes[position] as number] as number) & PLAIN_TEXT) !== 0) position++
      if (position === stop) return this.#goOn(CDATA, position)
      const byte = bytes[position] as number
      if (byte === GT && this.#endsCdata(position)) return this.#goOn(TEXT, position + 1)
      if (byte >= 0x80) {
        const next = this.#wide(position)
        if (next <= position) return next < 0 ? FAILED : this.#wait(position)
        position = next
      } else if (byte === GT || byte === LT || byte === AMP || byte === CR) position++
      else return this.#fail(FAULT.character, position)
    }
  }

  /** Whether the > at `position` makes `]]>`: no markup before text or CDATA ends in a bracket that closes. */
  #endsCdata(position: number): boolean {
    return this.#bytes[position - 1] === BRACKET && this.#bytes[position - 2] === BRACKET
  }

  /** Past a run of characters above ASCII; `position` itself where bytes are missing, -1 where one is refused. */
  #wide(position: number): number {
    const bytes = this.#bytes
    let at = position
    while (at < this.#stop && (bytes[at] as number) >= 0x80) {
      const length = this.#sequence(at)
      if (length < 0) return -1
      if (length === 0) return at
      // The two that are no characters both begin so: U+FFFE and U+FFFF.
      if (length === 3 && bytes[at] === 0xef && !isCharacter(codePointAt(bytes, at, length))) {
        this.#fail(FAULT.character, at)
        return -1
      }
      at += length
    }
    return at
  }

  #sequence(position: number): number {
    const length = sequenceLength(this.#bytes, position, this.#stop)
    if (length < 0) this.#fail(FAULT.utf8, position)
    return length
  }

  /** A character is not complete. */
  #wait(position: number): Outcome {
    this.#position = position
    return this.#starved()
  }

  // -- references

  /** After `&`. */
  #reference(): Outcome {
    const position = this.#position
    const byte = this.#bytes[position] as number
    if (byte === HASH) {
      if (position + 1 >= this.#stop) return this.#starved()
      const isHexadecimal = this.#bytes[position + 1] === X
      this.#code = 0
      this.#digits = 0
      return this.#goOn(isHexadecimal ? HEXADECIMAL : DECIMAL, position + (isHexadecimal ? 2 : 1))
    }
    this.#beginName(position)
    return this.#goOn(ENTITY, position)
  }

  #entity(): Outcome {
    const outcome = this.#name()
    if (outcome !== GO_ON) return outcome
    const position = this.#position
    if (this.#bytes[position] !== SEMICOLON) return this.#fail(FAULT.reference, position)
    // XM-01: refused by name, before anything could be expanded.
    const isKnown =
      position - this.#tokenStart <= 4 && isEntity(this.#bytes.toString('latin1', this.#tokenStart, position))
    return isKnown ? this.#goOn(this.#returnTo, position + 1) : this.#fail(FAULT.entity, position)
  }

  #decimal(): Outcome {
    const bytes = this.#bytes
    let position = this.#position
    for (; position < this.#stop; position++) {
      const digit = (bytes[position] as number) - 0x30
      if (digit < 0 || digit > 9) return this.#endReference(position)
      this.#addDigit(digit, 10)
    }
    return this.#goOn(DECIMAL, position)
  }

  #hexadecimal(): Outcome {
    const bytes = this.#bytes
    let position = this.#position
    for (; position < this.#stop; position++) {
      const digit = hexadecimalDigit(bytes[position] as number)
      if (digit < 0) return this.#endReference(position)
      this.#addDigit(digit, 16)
    }
    return this.#goOn(HEXADECIMAL, position)
  }

  /** Stays above the last character once it is there. */
  #addDigit(digit: number, base: number): void {
    this.#code = Math.min(this.#code * base + digit, 0x110000)
    this.#digits++
  }

  #endReference(position: number): Outcome {
    if (this.#digits === 0 || this.#bytes[position] !== SEMICOLON)
      return this.#fail(FAULT.reference, position)
    if (!isXmlCharacter(this.#code)) return this.#fail(FAULT.referenced, position)
    return this.#goOn(this.#returnTo, position + 1)
  }
}

function isQuote(byte: number): boolean {
  return byte === APOS || byte === QUOT
}

function hexadecimalDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** XML 1.0 `Char`. */
function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === TAB || code === LF || code === CR
  return code < 0x110000 && (code < 0xd800 || code > 0xdfff) && isCharacter(code)
}
