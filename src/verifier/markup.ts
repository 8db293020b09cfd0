/** HTML and SVG as text, with everything that comes from outside escaped. */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text that is markup already. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Part = string | number | Markup | undefined | readonly Part[]

/** Markup from a template: what is put in is escaped unless it is markup itself. */
export function markup(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = texts[0] as string
  for (const [at, part] of parts.entries()) text += partText(part) + texts[at + 1]
  return new Markup(text)
}

function partText(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(partText).join('')
  return escapeText(String(part))
}

function escapeText(text: string): string {
  // What XML has no place for at all would spoil a page that is read as such.
  return [...text]
    .map((character) => ESCAPES[character] ?? (isControl(character) ? '\ufffd' : character))
    .join('')
}

function isControl(character: string): boolean {
  const code = character.charCodeAt(0)
  return (code < 0x20 && character !== '\n' && character !== '\t') || code === 0x7f
}
