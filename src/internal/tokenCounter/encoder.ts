import type { TiktokenBPE } from "js-tiktoken/lite"
import { countTokens, type Ranks } from "./bytePairs.ts"
import type { Encoding } from "./encoding.ts"

/** Counts the tokens of a text as js-tiktoken does, special tokens read as plain text. */
export type Encoder = (text: string) => number

/** Loads an encoder the first time it is asked for; all who ask share it. */
export const loadEncoder = (encoding: Encoding): Promise<Encoder> => {
  const loaded = encoders.get(encoding)
  if (loaded !== undefined) return loaded
  const loading = rankTables[encoding]().then((table) => makeEncoder(table.default))
  encoders.set(encoding, loading)
  return loading
}

const encoders = new Map<Encoding, Promise<Encoder>>()

const rankTables = {
  o200k_base: () => import("js-tiktoken/ranks/o200k_base"),
  cl100k_base: () => import("js-tiktoken/ranks/cl100k_base")
}

// js-tiktoken's own encoder throws at special tokens and takes time quadratic in the length of a piece, so only its
// tables are used.
const makeEncoder = (table: TiktokenBPE): Encoder => {
  const ranks = parseRanks(table.bpe_ranks)
  const piece = new RegExp(table.pat_str, "gu")
  return (text) => {
    let tokens = 0
    for (const [match] of text.matchAll(piece)) tokens += countTokens(utf8Bytes(match), ranks)
    return tokens
  }
}

// Each line is a name, the rank of its first token, and its tokens by rising rank, all separated by spaces.
const parseRanks = (lines: string): Ranks => {
  const ranks = new Map<string, number>()
  for (const line of lines.split("\n")) {
    const [, first, ...tokens] = line.split(" ")
    let rank = Number(first)
    for (const token of tokens) ranks.set(atob(token), rank++)
  }
  return ranks
}

const utf8 = new TextEncoder()

// One character per byte. ASCII, the usual case, is that already.
const utf8Bytes = (text: string): string => {
  const encoded = utf8.encode(text)
  if (encoded.length === text.length) return text
  let bytes = ""
  for (let start = 0; start < encoded.length; start += BYTES_PER_CALL) {
    bytes += String.fromCharCode(...encoded.subarray(start, start + BYTES_PER_CALL))
  }
  return bytes
}

// A call takes a limited number of arguments.
const BYTES_PER_CALL = 8_192
